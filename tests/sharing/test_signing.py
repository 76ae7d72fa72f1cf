"""Whose bundle it is: signed and unsigned ones say so, a broken signature is refused."""

import base64
import json

import pytest
from sharing.test_archive import contents

from fiftyone_daebias import cli
from fiftyone_daebias.errors import BundleError, InputError
from fiftyone_daebias.sharing.archive import MANIFEST, SIGNATURE, read_archive, write_archive
from fiftyone_daebias.sharing.contents import to_members
from fiftyone_daebias.sharing.signing import check_signer, new_key, read_key, signed, take_signature


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "keys" / "mine.pem"
    return path, new_key(path, "Grace Hopper, site A")


def test_a_signed_bundle_names_its_signer_and_reads_as_an_unsigned_one(key, tmp_path):
    path, signer = key
    plain = to_members(contents())
    members, mine = signed(plain, read_key(path))
    assert mine == signer and signer.fingerprint.startswith("SHA256:")
    write_archive(tmp_path / "b.zip", members)
    rest, found = take_signature(read_archive(tmp_path / "b.zip"))
    assert found == signer and rest == plain
    assert str(found) == f"signed by 'Grace Hopper, site A' with key {signer.fingerprint}"
    assert take_signature(plain) == (plain, None)


@pytest.mark.parametrize("what", ["manifest", "name", "key", "signature"])
def test_whatever_is_changed_after_signing_is_refused(key, what, tmp_path):
    members, _ = signed(to_members(contents()), read_key(key[0]))
    facts = json.loads(members[SIGNATURE])
    if what == "manifest":
        members[MANIFEST] = members[MANIFEST].replace(b"2026", b"2027")
    elif what == "name":
        facts["name"] = "Somebody else"
    else:
        new_key(tmp_path / "other", "Grace Hopper, site A")
        theirs = json.loads(signed(to_members(contents()), read_key(tmp_path / "other"))[0][SIGNATURE])
        name = {"key": "public_key", "signature": "signature"}[what]
        facts[name] = theirs[name]
    members[SIGNATURE] = json.dumps(facts).encode()
    with pytest.raises(BundleError, match="changed after it was signed"):
        take_signature(members)


@pytest.mark.parametrize(
    "facts",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 3000,
        {"name": "a\nb"},
        {"name": "a\u202eb"},
        {"name": 5},
        {"version": 2},
        {"public_key": "AAAA"},
        {"public_key": 7},
        {"signature": base64.b64encode(b"x").decode()},
        {"signature": "no base 64"},
        {"more": 1},
    ],
)
def test_what_is_no_signature_is_refused_in_a_line(key, facts):
    members, _ = signed(to_members(contents()), read_key(key[0]))
    if isinstance(facts, dict):
        facts = json.dumps({**json.loads(members[SIGNATURE]), **facts}).encode()
    with pytest.raises(BundleError, match="nothing was imported"):
        take_signature({**members, SIGNATURE: facts})


def test_a_bundle_of_somebody_else_is_refused_where_a_key_is_asked_for(key, tmp_path):
    _, signer = key
    other = new_key(tmp_path / "other")
    check_signer(signer, None)
    check_signer(signer, signer.fingerprint.removeprefix("SHA256:"))
    for wrong in (None, other):
        with pytest.raises(BundleError, match="unsigned|not with"):
            check_signer(wrong, signer.fingerprint)


def test_a_key_is_closed_to_others_and_never_overwritten(key, tmp_path):
    path, _ = key
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(InputError, match="never overwritten"):
        new_key(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match=f"can be read by others.*chmod 600 {path}"):
        read_key(path)
    for text in ("", "no key", "Name: x\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        wrong = tmp_path / "wrong"
        wrong.write_text(text)
        wrong.chmod(0o600)
        with pytest.raises(InputError, match="holds no key.*daebias signing-key"):
            read_key(wrong)
    with pytest.raises(InputError, match="No such file.*daebias signing-key"):
        read_key(tmp_path / "none")


def test_a_key_is_made_by_one_command(tmp_path, capsys):
    assert cli.main(["signing-key", str(tmp_path / "k.pem"), "--name", "Ada"]) == 0
    assert read_key(tmp_path / "k.pem")[1] == "Ada"
    assert "SHA256:" in capsys.readouterr().out
    assert cli.main(["signing-key", str(tmp_path / "k.pem")]) == 2
    assert "never overwritten" in capsys.readouterr().err
