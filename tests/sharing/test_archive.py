"""Bundles that are damaged or hostile: refused with one line, and nothing read beyond what is needed to say so."""

import io
import json
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fiftyone_daebias.errors import BundleError, InputError
from fiftyone_daebias.serialize import plain
from fiftyone_daebias.sharing import archive, checked
from fiftyone_daebias.sharing.archive import (
    AUDIT,
    MANIFEST,
    MAPS,
    SAMPLES,
    VECTORS,
    digest,
    read_archive,
    write_archive,
)
from fiftyone_daebias.sharing.contents import (
    Contents,
    FindingRow,
    Group,
    Row,
    Said,
    Workspace,
    _json,
    from_members,
    to_members,
)

N = 12


def contents():
    rows = tuple(Row(f"{n:064x}", f"{n + 99:064x}", f"{n // 2:016x}") for n in range(N))
    at = np.arange(N)
    points = np.column_stack([np.linspace(0, 1, N), np.linspace(2, 3, N)]).astype(np.float32)
    probe = {
        "field": "sex",
        "vectors": "dae_embedding",
        "group": "",
        "kind": "binary",
        "metric": "AUC",
        "score": 0.9,
        "interval": [0.8, 0.95],
        "chance": 0.5,
        "better": [0.3, 0.45],
        "accuracy": 0.8,
        "balanced_accuracy": 0.8,
        "detectable": 0.6,
        "p": 0.001,
        "q": 0.002,
        "n_subjects": 6,
        "n_samples": 12,
        "classes": ["F", "M"],
        "n_opposite": None,
        "adjusted": None,
        "holdout": None,
    }
    return Contents(
        rows,
        {"dae_map": (at, points)},
        {"dae_embedding": (at, np.ones((N, 4), np.float32))},
        probes=(probe,),
        clusters=(Group("women", tuple(range(8)), origin="view", map_key="dae_map", coloured_by="sex"),),
        views=(Group("older", (0, 1, 2, 3, 4, 5)),),
        workspaces=(Workspace("sex", map_key="dae_map", color_by="sex"),),
        provenance={"dae": {"model": "dae", "seed": 51}},
        reviews=(Said("probe:sex", "confirmed", "seen", "grace", "2026-01-02T03:04:05.678+00:00"),),
        created="2026-01-02",
        software={"numpy": "2.0"},
        reading={"to_grey": True, "plane": None, "spacing": None},
    )


@pytest.fixture
def members():
    return to_members(contents())


def sealed(members, **manifest):
    """The members with a manifest that fits them: what an attacker who knows the format would write."""
    raw = {**json.loads(members[MANIFEST]), **manifest}
    raw["members"] = {n: {"sha256": digest(d), "size": len(d)} for n, d in sorted(members.items()) if n != MANIFEST}
    raw["id"] = digest(_json({k: v for k, v in raw.items() if k not in ("id", "created")}))[:16]
    return {**members, MANIFEST: _json(raw)}


def edited(members, name, change):
    raw = json.loads(members[name])
    change(raw)
    return sealed({**members, name: json.dumps(raw).encode()})


def zipped(path, entries):
    """A zip with these ``(ZipInfo or name, bytes)``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in entries:
            out.writestr(name, data)
    return path


def test_what_is_written_is_read_and_equal_contents_give_equal_files(tmp_path, members):
    write_archive(tmp_path / "a.zip", members)
    write_archive(tmp_path / "b.zip", to_members(contents()))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    back = from_members(read_archive(tmp_path / "a.zip"))
    want = contents()
    assert back.rows == want.rows and back.clusters == want.clusters and back.views == want.views
    assert back.workspaces == want.workspaces and back.reviews == want.reviews and back.probes == want.probes
    assert back.provenance == want.provenance and back.reading == want.reading
    np.testing.assert_array_equal(back.maps["dae_map"][1], want.maps["dae_map"][1])
    np.testing.assert_array_equal(back.vectors["dae_embedding"][1], want.vectors["dae_embedding"][1])
    # without vectors and at another time: another id, the same id
    assert from_members(to_members(Contents(want.rows))).id != back.id
    assert json.loads(members[MANIFEST])["id"] == back.id


def test_a_bundle_written_by_the_first_version_is_read():
    back = from_members(read_archive(Path(__file__).with_name("bundle_v1.zip")))
    want = contents()
    assert back.id == "77a228b2a07c5673" and back.rows == want.rows and back.clusters == want.clusters
    assert back.probes == want.probes and back.reviews == want.reviews and back.workspaces == want.workspaces
    np.testing.assert_array_equal(back.maps["dae_map"][1], want.maps["dae_map"][1])


def test_a_verdict_of_an_older_bundle_is_read_in_todays_words():
    row = FindingRow("k", "association", "women: sex", "So.", "not blind", "V", 0.9, (0.8, 1.0), 0.01, 12, "")
    old = replace(contents(), findings=(plain(row),))
    (back,) = from_members(to_members(old)).findings
    assert back["verdict"] == "built in"


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([("../../etc/cron.d/x", b"x")], "leads out of its folder"),
        ([("/etc/passwd", b"x")], "leads out of its folder"),
        ([("..\\..\\x.json", b"x")], "leads out of its folder"),
        ([("C:\\x.json", b"x")], "leads out of its folder"),
        ([link("maps.safetensors", b"/etc/passwd")], "symbolic link"),
        ([("results.pkl", b"x")], "does not belong into a bundle"),
        ([("maps.safetensors/", b"")], "does not belong|not a plain file"),
        ([("audit.json", b"{}")], "twice"),
        ([(f"{n}.json", b"") for n in range(5000)], "at most 6"),
        ([(f"{n}.json", b"") for n in range(9)], "at most 6"),
    ],
)
def test_foreign_members_are_refused(tmp_path, members, extra, message):
    import warnings

    entries = [(n, members[n]) for n in (MANIFEST, SAMPLES, AUDIT)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = zipped(tmp_path / "x.zip", entries + extra)
    with pytest.raises(BundleError, match=message):
        read_archive(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]


def test_zip_bombs_are_refused_before_they_grow(tmp_path, members, monkeypatch):
    entries = [(n, members[n]) for n in (MANIFEST, SAMPLES)]
    path = zipped(tmp_path / "declared.zip", [*entries, (AUDIT, b"[" + b" " * (64 << 20) + b"]")])
    with pytest.raises(BundleError, match="zip bomb"):
        read_archive(path)
    # a directory entry that says less than the stream holds
    data = zipped(tmp_path / "x.zip", [*entries, (AUDIT, b" " * 300_000)]).read_bytes()
    true, lie = struct.pack("<I", 300_000), struct.pack("<I", 900)
    assert data.count(true) == 2
    (tmp_path / "undeclared.zip").write_bytes(data.replace(true, lie))
    with pytest.raises(BundleError, match="not a readable zip|holds more|holds fewer"):
        read_archive(tmp_path / "undeclared.zip")
    # two entries on the same bytes
    info = zipfile.ZipFile(path).infolist()
    assert len(info) == 3
    twins = zipped(tmp_path / "y.zip", [(n, members[n]) for n in (MANIFEST, SAMPLES, AUDIT)])
    raw = bytearray(twins.read_bytes())
    places = {i.filename: i.header_offset for i in zipfile.ZipFile(twins).infolist()}
    at = raw.rindex(AUDIT.encode()) - 4  # offset of the last directory entry
    assert struct.unpack("<I", raw[at : at + 4])[0] == places[AUDIT]
    raw[at : at + 4] = struct.pack("<I", places[SAMPLES])
    (tmp_path / "overlap.zip").write_bytes(raw)
    with pytest.raises(BundleError, match="overlap|not a readable zip"):
        read_archive(tmp_path / "overlap.zip")
    monkeypatch.setitem(archive.LARGEST, SAMPLES, 10)
    with pytest.raises(BundleError, match="10 are allowed"):
        read_archive(twins)


def test_what_is_no_zip_is_refused(tmp_path, members):
    good = tmp_path / "good.zip"
    write_archive(good, members)
    data = good.read_bytes()
    for name, bad, message in (
        ("empty", b"", "not a readable zip"),
        ("text", b"hello" * 100, "not a readable zip"),
        ("cut", data[: len(data) // 2], "not a readable zip"),
        ("polyglot", b"#!/bin/sh\nrm -rf /\n" + data, "does not begin"),
        (
            "flipped",
            bytes(b ^ (k == 90) for k, b in enumerate(data)),
            "not a readable zip|not what the manifest|damaged",
        ),
    ):
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(BundleError, match=message):
            from_members(read_archive(tmp_path / name))
    with pytest.raises(InputError, match="does not exist"):
        read_archive(tmp_path / "gone.zip")
    encrypted = bytearray(data)
    for k in [k for k in range(len(data)) if data[k : k + 4] in (b"PK\x01\x02",)]:
        encrypted[k + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(encrypted)
    with pytest.raises(BundleError, match="encrypted"):
        read_archive(tmp_path / "secret.zip")
    with pytest.raises(BundleError, match="lacks audit.json"):
        read_archive(zipped(tmp_path / "less.zip", [(n, members[n]) for n in (MANIFEST, SAMPLES)]))


def test_a_path_that_holds_something_else_is_not_overwritten(tmp_path, members):
    (tmp_path / "thesis.zip").write_bytes(b"my work")
    with pytest.raises(InputError, match="is not a bundle"):
        write_archive(tmp_path / "thesis.zip", members)
    with pytest.raises(InputError, match="ends in .zip"):
        write_archive(tmp_path / "table.csv", members)
    with pytest.raises(InputError, match="cannot be written"):
        write_archive(tmp_path / "no" / "such" / "x.zip", members)
    assert (tmp_path / "thesis.zip").read_bytes() == b"my work"
    write_archive(tmp_path / "x.zip", members)
    write_archive(tmp_path / "x.zip", members)


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(raw):
        for key in path:
            raw = raw[key]
        raw[last] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (AUDIT, put("clusters", 0, "name", "<script>alert(1)</script>"), "markup or script"),
        (AUDIT, put("views", 0, "name", "a\u202egpj.exe"), "control characters"),
        (AUDIT, put("views", 0, "name", "a\nb"), "control characters"),
        (AUDIT, put("views", 0, "description", "[x](javascript:alert(1))"), "markup or script"),
        (AUDIT, put("views", 0, "name", "$where"), "is no name"),
        (AUDIT, put("views", 0, "name", "x" * 5000), "characters"),
        (
            AUDIT,
            put("views", 0, "stages", [{"_cls": "fiftyone.core.stages.Mongo", "kwargs": [["pipeline", []]]}]),
            "a key that no bundle has: 'stages'",
        ),
        (AUDIT, put("views", 0, "$where", "sleep(1)"), "a key that no bundle has"),
        (AUDIT, put("__proto__", {}), "a key that no bundle has"),
        (AUDIT, put("views", 0, "rows", [0, 0]), "twice"),
        (AUDIT, put("views", 0, "rows", [99]), "does not have"),
        (AUDIT, put("views", 0, "rows", [True]), "does not have"),
        (AUDIT, put("views", 0, "rows", {"$gt": 0}), "should be a list"),
        (AUDIT, put("views", 0, "color", "url(http://evil)"), "should be a colour"),
        (AUDIT, put("workspaces", 0, "color_by", "sex.$where.x"), "cannot name a field"),
        (AUDIT, put("workspaces", 0, "color_by", "__class__"), "cannot name a field"),
        (AUDIT, put("workspaces", 0, "map_key", "no_such_map"), "a map that the bundle does not have"),
        (AUDIT, put("clusters", 0, "map_key", "filepath"), "cannot name a field"),
        (AUDIT, put("clusters", 0, "polygon", [[0, 1], [2]]), "two numbers"),
        (AUDIT, put("clusters", 0, "proposed", "yes"), "true or false"),
        (AUDIT, put("reviews", 0, "status", "deleted"), "should be one of"),
        (AUDIT, put("reviews", 0, "date", "yesterday"), "ISO time"),
        (AUDIT, put("reviews", 0, "finding", ""), "neither a finding nor a sample"),
        (AUDIT, put("probes", 0, "score", "0.9"), "should be a number"),
        (AUDIT, put("probes", 0, "field", "_id"), "cannot name a field"),
        (AUDIT, put("probes", 0, "n_subjects", -1), "whole number"),
        (AUDIT, put("provenance", {"dae": {"checkpoint": "/etc"}}), "a key that no bundle has"),
        (AUDIT, put("provenance", {"a.b": {}}), "cannot name a field"),
        (SAMPLES, put("samples", 0, "content", "../../x"), "hexadecimal"),
        (SAMPLES, put("samples", []), "the manifest says"),
        (SAMPLES, put("samples", 0, "filepath", "/etc/passwd"), "a key that no bundle has"),
    ],
)
def test_foreign_values_are_refused_even_with_sums_that_fit(members, name, change, message):
    with pytest.raises(BundleError, match=message) as caught:
        from_members(edited(members, name, change))
    assert "nothing was imported" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (AUDIT, b"[" * 200_000 + b"]" * 200_000, "nested|should be an object"),
        (AUDIT, b'{"a":' * 90_000 + b"1" + b"}" * 90_000, "nested|a key that no bundle has"),
        (AUDIT, b'{"probes": NaN}', "is no number"),
        (AUDIT, b'{"probes": [], "probes": []}', "there twice"),
        (AUDIT, b"\xff\xfe", "not the JSON"),
        (AUDIT, b"1" * 10_000, "not the JSON"),
        (SAMPLES, b'{"samples": 1e999}', "should be a list"),
        (SAMPLES, b'{"samples": [' + b"[]," * 5_000_000 + b"[]]}", "more parts than any bundle"),
        (AUDIT, b"null", "should be an object"),
    ],
)
def test_json_that_is_none_is_refused(members, name, data, message):
    with pytest.raises(BundleError, match=message):
        from_members(sealed({**members, name: data}))


def tensor_file(entries, payload):
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + payload


ROWS = {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]}
VALUES = {"dtype": "F32", "shape": [2, 2], "data_offsets": [16, 32]}
PAYLOAD = np.array([0, 1], np.int64).tobytes() + np.zeros(4, np.float32).tobytes()


@pytest.mark.parametrize(
    ("entries", "payload", "message"),
    [
        ({"m.rows": ROWS, "m.values": {**VALUES, "shape": [2, 2000]}}, PAYLOAD, "damaged"),
        ({"m.rows": ROWS, "m.values": {**VALUES, "data_offsets": [16, 1 << 40]}}, PAYLOAD, "damaged"),
        ({"m.rows": ROWS, "m.values": {**VALUES, "dtype": "F64"}}, PAYLOAD, "should be F32"),
        ({"m.rows": ROWS}, PAYLOAD[:16], "do not fit each other"),
        ({"m.rows": ROWS, "m.values": {**VALUES, "shape": [4, 1]}}, PAYLOAD, "do not fit each other"),
        ({"m.rows": ROWS, "m.values": VALUES}, np.array([0, 99], np.int64).tobytes() + PAYLOAD[16:], "does not have"),
        ({"m.rows": ROWS, "m.values": VALUES}, np.array([1, 1], np.int64).tobytes() + PAYLOAD[16:], "does not have"),
        ({"m.rows": ROWS, "m.values": VALUES}, PAYLOAD[:16] + np.array([0, np.nan, 0, 0], np.float32).tobytes(), "NaN"),
        (
            {"m.rows": ROWS, "m.values": VALUES},
            PAYLOAD[:16] + np.array([0, np.inf, 0, 0], np.float32).tobytes(),
            "infinite",
        ),
        ({"filepath.rows": ROWS, "filepath.values": VALUES}, PAYLOAD, "cannot name a field"),
        ({"__proto__.rows": ROWS}, PAYLOAD, "cannot name a field"),
        ({"a.b.rows": ROWS}, PAYLOAD, "does not belong"),
        ({"m.pickle": ROWS}, PAYLOAD, "does not belong"),
        ({"__metadata__": {"x": "y"}, "m.rows": ROWS, "m.values": VALUES}, PAYLOAD, "not that of a bundle"),
    ],
)
def test_tensors_that_lie_are_refused(members, entries, payload, message):
    with pytest.raises(BundleError, match=message):
        from_members(sealed({**members, MAPS: tensor_file(entries, payload)}))


def test_tensor_headers_that_lie_about_their_length_are_refused(members):
    for head in (b"", b"\xff" * 8, struct.pack("<Q", 1 << 62), struct.pack("<Q", 5000) + b"{}"):
        with pytest.raises(BundleError):
            from_members(sealed({**members, VECTORS: head}))


def test_sums_versions_and_keys_are_checked(members):
    with pytest.raises(BundleError, match="its sha256 differs"):
        from_members({**members, AUDIT: members[AUDIT].replace(b"women", b"womem")})
    raw = json.loads(members[MANIFEST])
    with pytest.raises(BundleError, match="id does not fit"):
        from_members({**members, MANIFEST: _json({**raw, "k": 2})})
    for change, message in (
        ({"version": 3}, "newer fiftyone-daebias"),
        ({"schema_version": 99}, "newer fiftyone-daebias"),
        ({"version": 0}, "has version"),
        ({"version": "1"}, "has version"),
        ({"format": "zip"}, "not a bundle of this"),
        ({"exec": "x"}, "a key that no bundle has"),
        ({"n_samples": 5}, "the manifest says"),
        ({"risk": [{"of": "<b>"}]}, "lacks"),
        ({"withheld": {"$gt": 1}}, "is no name"),
    ):
        with pytest.raises(BundleError, match=message):
            from_members(sealed(members, **change))
    foreign = json.loads(members[MANIFEST])
    foreign["members"]["../x"] = {"sha256": "", "size": 0}
    with pytest.raises(BundleError, match="a key that no bundle has"):
        from_members({**members, MANIFEST: _json(foreign)})
    with pytest.raises(BundleError):
        from_members({**members, MANIFEST: b"[]"})


def test_texts_and_json_by_hand():
    assert checked.text("T2 + 5 % \u2265 40, \u00e9t\u00e9", "x") == "T2 + 5 % \u2265 40, \u00e9t\u00e9"
    for bad in ("<b", "a>b", "javascript :x", "a onload = x", "&#60;", "\x1b[2J", "\u200b", "\ud800"):
        with pytest.raises(BundleError):
            checked.text(bad, "x")
    assert checked.parse(b'{"a": [1, 2.5, null]}', "x") == {"a": [1, 2.5, None]}
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    with pytest.raises(BundleError, match="not the JSON"):
        checked.parse(buffer.getvalue(), "x")
