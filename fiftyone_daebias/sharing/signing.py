"""Signatures of bundles: Ed25519 over the manifest, which holds the sums of everything else.

A signature says that the holder of a key wrote a bundle, not who that is: the name is what the signer calls
themselves. Compare the key's fingerprint with what the signer told you by another way.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from .. import atomic
from ..errors import BundleError, InputError
from .archive import MANIFEST, SIGNATURE

_KIND = "daebias-signature"
_VERSION = 1
#: longest name of a signer
_LONGEST = 120


@dataclass(frozen=True)
class Signer:
    """Who signed a bundle.

    Attributes:
        name: what the signer calls themselves, "" if nothing
        fingerprint: "SHA256:" and the hash of the public key, as ssh writes it
    """

    name: str
    fingerprint: str

    def __str__(self) -> str:
        return (
            f"signed by {self.name!r} with key {self.fingerprint}" if self.name else f"signed, key {self.fingerprint}"
        )


def new_key(path: Path | str, name: str = "") -> Signer:
    """Writes a new key, readable by its owner only.

    Args:
        path: file to write
        name: what imports show beside the key's fingerprint

    Raises:
        InputError: the file exists or cannot be written, or the name is not one line
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path = Path(path).expanduser()
    if path.exists():
        raise InputError(f"{path} exists; a key is never overwritten: choose another file")
    if not _is_name(name):
        raise InputError(f"name: at most {_LONGEST} characters on one line; got {name[:40]!r}")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    atomic.write_text(path, (f"Name: {name}\n" if name else "") + pem, error=InputError, folders=True)
    return Signer(name, _fingerprint(_raw(key.public_key())))


def read_key(path: Path | str) -> tuple:
    """The private key that :func:`new_key` wrote, and the name beside it.

    Raises:
        InputError: no such file, others can read it, or it holds no key
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = Path(path).expanduser()
    make = f"make one with 'daebias signing-key {path}'"
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise InputError(f"sign: {path} can be read by others; close it: chmod 600 {path}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"sign: {path}: {error.strerror}; {make}") from error
    except UnicodeDecodeError:
        raise InputError(f"sign: {path} holds no key; {make}") from None
    first, _, _ = text.partition("\n")
    name = first.removeprefix("Name:").strip() if first.startswith("Name:") else ""
    if not _is_name(name):
        raise InputError(f"sign: the name in {path} is longer than {_LONGEST} characters, or no text")
    try:
        key = load_pem_private_key(text[max(0, text.find("-----BEGIN")) :].encode(), password=None)
    except (ValueError, TypeError) as error:
        raise InputError(f"sign: {path} holds no key without a password; {make}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"sign: the key in {path} is not an Ed25519 key; {make}")
    return key, name


def signed(members: dict[str, bytes], key: tuple) -> tuple[dict[str, bytes], Signer]:
    """The members of a bundle with their signature.

    Args:
        members: the members, the manifest among them
        key: what :func:`read_key` gave
    """
    key, name = key
    public = _raw(key.public_key())
    facts = {
        "format": _KIND,
        "version": _VERSION,
        "name": name,
        "public_key": base64.b64encode(public).decode(),
        "signature": base64.b64encode(key.sign(_message(name, members[MANIFEST]))).decode(),
    }
    return {**members, SIGNATURE: json.dumps(facts, indent=1).encode()}, Signer(name, _fingerprint(public))


def take_signature(members: dict[str, bytes]) -> tuple[dict[str, bytes], Signer | None]:
    """The members without their signature, and who signed them; ``None`` for an unsigned bundle.

    Raises:
        BundleError: the signature is not one, or is not of this bundle
    """
    if SIGNATURE not in members:
        return members, None
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    rest = {k: v for k, v in members.items() if k != SIGNATURE}
    try:
        facts = json.loads(members[SIGNATURE])
        if not isinstance(facts, dict) or facts.get("format") != _KIND:
            raise ValueError("its format is unknown")
        if facts.get("version") != _VERSION:
            raise ValueError(f"its version is {str(facts.get('version'))[:20]}, this package knows {_VERSION}")
        if sorted(facts) != ["format", "name", "public_key", "signature", "version"]:
            raise ValueError("its keys are not those of a signature")
        name = facts["name"]
        if not isinstance(name, str) or not _is_name(name):
            raise ValueError("its name is none")
        public = base64.b64decode(facts["public_key"], validate=True)
        mark = base64.b64decode(facts["signature"], validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(mark, _message(name, rest[MANIFEST]))
    except InvalidSignature:
        raise BundleError(
            "the bundle was changed after it was signed, or the signature is another's; nothing was imported: ask the "
            "sender for it again"
        ) from None
    except (ValueError, TypeError, RecursionError) as error:
        text = " ".join(str(error).split())[:120]
        raise BundleError(f"the signature of the bundle cannot be read ({text}); nothing was imported") from error
    return rest, Signer(name, _fingerprint(public))


def check_signer(signer: Signer | None, wanted: str | None) -> None:
    """Refuses a bundle that is not signed with the key that was asked for.

    Raises:
        BundleError: it is unsigned, or signed with another key
    """
    if not wanted:
        return
    if signer is None:
        raise BundleError("the bundle is unsigned; nothing was imported: ask the sender for a signed one")
    if signer.fingerprint.removeprefix("SHA256:") != wanted.strip().removeprefix("SHA256:"):
        raise BundleError(f"the bundle is {signer}, not with {wanted}; nothing was imported")


def _message(name: str, manifest: bytes) -> bytes:
    """What is signed: a mark of its kind, so that a signature of something else is none of a bundle."""
    return f"{_KIND} {_VERSION}\n{name}\n".encode() + hashlib.sha256(manifest).digest()


def _raw(public) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _fingerprint(public: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")


def _is_name(name: str) -> bool:
    """One line of text that shows what it is: no control characters, and none that turn the reading direction."""
    return len(name) <= _LONGEST and not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name)
