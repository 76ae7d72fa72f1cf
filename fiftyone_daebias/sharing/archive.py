"""The bundle as a file: a zip of a few known members, read into memory and never unpacked to disk.

Layout, version 1::

    manifest.json         format, version, id, counts, sha256 and size of every other member
    samples.json          content hash and subject key of each sample
    maps.safetensors      map coordinates
    vectors.safetensors   vectors; only where the owner chose so
    audit.json            findings, probes, associations, clusters, views, workspaces, provenance, reviews
    signature.json        whose key signed the manifest; only where the owner gave one, see signing.py

A zip is untrusted input. Everything that its directory says is checked before
a byte is decompressed, and no more is decompressed than the directory says.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from .. import atomic
from ..errors import BundleError, InputError

MANIFEST, SAMPLES, MAPS, VECTORS, AUDIT, SIGNATURE = (
    "manifest.json",
    "samples.json",
    "maps.safetensors",
    "vectors.safetensors",
    "audit.json",
    "signature.json",
)
#: the members a bundle may have, with the most bytes each may hold
LARGEST = {MANIFEST: 1 << 20, SAMPLES: 256 << 20, MAPS: 256 << 20, VECTORS: 8 << 30, AUDIT: 256 << 20, SIGNATURE: 4096}
#: text of hashes and row numbers shrinks to a third; nothing honest shrinks a hundredfold
RATIO = 100
_TIME = (1980, 1, 1, 0, 0, 0)


def write_archive(path: Path, members: dict[str, bytes]) -> int:
    """Writes a bundle under another name and moves it into place; equal members give equal bytes.

    Returns:
        its size in bytes

    Raises:
        InputError: it cannot be written, or the path holds something that is no bundle
    """
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise InputError(f"out: a bundle is a zip file; got {path.name!r}; give a name that ends in .zip")
    if path.exists() and not is_bundle(path):
        raise InputError(f"out: {path} exists and is not a bundle; choose another name")
    # a bundle is made to be handed on: its rights are those of the user's other files
    with atomic.replacing(path, error=InputError, prefix="out: ", mode=None, folders=False) as part:
        with zipfile.ZipFile(part, "w") as archive:
            for name in [n for n in LARGEST if n in members]:
                info = zipfile.ZipInfo(name, _TIME)
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                packed = name.endswith(".json")
                info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
                archive.writestr(info, members[name])
    return path.stat().st_size


def is_bundle(path: Path) -> bool:
    """Whether a file is a zip whose first member is a manifest; says nothing of its content."""
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()[:1]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def read_archive(path: Path) -> dict[str, bytes]:
    """All members of a bundle.

    Raises:
        InputError: there is no such file
        BundleError: it is not a bundle, is damaged, or tries something that no bundle does
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"bundle {path} does not exist; give the zip file that 'daebias share' wrote")
    _check_end(path)
    try:
        with open(path, "rb") as stream, zipfile.ZipFile(stream) as archive:
            stream.seek(0)
            if stream.read(4) != b"PK\x03\x04":
                raise BundleError(f"{path.name} does not begin as a zip file; ask for the bundle again")
            infos = archive.infolist()
            _check_directory(infos, path.stat().st_size)
            return {i.filename: _read(archive, i) for i in infos}
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        struct.error,
        NotImplementedError,
        UnicodeDecodeError,
        OverflowError,
        ValueError,
        RuntimeError,
    ) as error:
        text = " ".join(str(error).split())[:120]
        raise BundleError(f"{path.name} is not a readable zip file ({text}); ask for the bundle again") from error
    except MemoryError:
        raise BundleError(f"{path.name} does not fit into memory; ask for a bundle without vectors") from None


def _check_end(path: Path) -> None:
    """Refuses a directory of millions of entries by its end record, since ``zipfile`` would read all of them."""
    with open(path, "rb") as stream:
        stream.seek(max(0, path.stat().st_size - 70_000))
        tail = stream.read()
    at, found = tail.rfind(b"PK\x05\x06"), []
    # where ``zipfile`` itself looks: the last end record, and the one for large files right before it
    for place, mark, layout in ((at, b"PK\x05\x06", "<10xHI"), (at - 76, b"PK\x06\x06", "<32xQQ")):
        if at >= 0 and place >= 0 and tail[place:].startswith(mark) and len(tail) - place >= struct.calcsize(layout):
            found.append(struct.unpack_from(layout, tail, place))
    if any(n > 10 * len(LARGEST) or size > 1 << 20 for n, size in found):
        raise BundleError(
            f"{path.name} says that it has {max(n for n, _ in found):,} members; a bundle has at most {len(LARGEST)}; "
            "nothing was read"
        )


def _check_directory(infos: list[zipfile.ZipInfo], size: int) -> None:
    if len(infos) > len(LARGEST):
        raise BundleError(f"the bundle has {len(infos)} members; a bundle has at most {len(LARGEST)}; nothing was read")
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        shown = repr(name[:60])
        if name.startswith(("/", "\\")) or ":" in name or ".." in name.replace("\\", "/").split("/"):
            raise BundleError(f"member {shown} of the bundle leads out of its folder; nothing was read")
        mode = info.external_attr >> 16
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a plain file"
            raise BundleError(f"member {shown} of the bundle is {kind}; nothing was read")
        if name not in LARGEST:
            raise BundleError(
                f"member {shown} does not belong into a bundle (known: {', '.join(LARGEST)}); nothing was read"
            )
        if name in seen:
            raise BundleError(f"member {shown} is in the bundle twice; nothing was read")
        seen.add(name)
        if info.flag_bits & 0x1:
            raise BundleError(f"member {shown} is encrypted; bundles are not; nothing was read")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"member {shown} is compressed in a way that bundles are not; nothing was read")
        if info.file_size > LARGEST[name]:
            raise BundleError(
                f"member {shown} says that it holds {info.file_size:,} bytes; {LARGEST[name]:,} are allowed; nothing "
                "was read"
            )
        if info.file_size > RATIO * max(info.compress_size, 64):
            raise BundleError(
                f"member {shown} would grow {info.file_size / max(1, info.compress_size):,.0f}-fold when unpacked: a "
                "zip bomb; nothing was read"
            )
    for a, b in zip(*(lambda s: (s, s[1:]))(sorted(infos, key=lambda i: i.header_offset)), strict=False):
        if a.header_offset + a.compress_size + 30 > b.header_offset:
            raise BundleError(f"members {a.filename!r} and {b.filename!r} overlap: a zip bomb; nothing was read")
    if sum(i.compress_size for i in infos) > size:
        raise BundleError("the bundle's directory says that it holds more bytes than the file has; nothing was read")
    missing = [n for n in (MANIFEST, SAMPLES, AUDIT) if n not in seen]
    if missing:
        raise BundleError(f"the bundle lacks {', '.join(missing)}; it is no bundle, or damaged; ask for it again")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One member; never more bytes than its directory entry says, whatever its stream holds."""
    out = bytearray()
    with archive.open(info) as stream:
        while block := stream.read(min(1 << 20, info.file_size - len(out) + 1)):
            out += block
            if len(out) > info.file_size:
                raise BundleError(f"member {info.filename!r} holds more than its directory says: a zip bomb")
    if len(out) != info.file_size:
        raise BundleError(f"member {info.filename!r} holds fewer bytes than its directory says; ask for it again")
    return bytes(out)


def digest(data: bytes) -> str:
    """sha256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
