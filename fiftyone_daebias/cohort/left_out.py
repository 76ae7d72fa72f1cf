"""What is left out of a cohort and why: globs of the user, derivatives, masks, archives; and how that is told."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import numpy as np

from ..errors import InputError

#: suffixes of BIDS files that hold masks, label maps or probabilities of labels
_BIDS_LABELS = {"mask", "dseg", "probseg", "seg", "defacemask", "label", "labels", "roi"}
#: words in names of files and folders under which masks and label maps lie; what they hold decides
_LABEL_WORDS = {
    "mask",
    "masks",
    "seg",
    "segs",
    "dseg",
    "probseg",
    "segmentation",
    "segmentations",
    "label",
    "labels",
    "labelmap",
    "labelmaps",
    "labelstr",
    "labelsts",
    "groundtruth",
    "annotation",
    "annotations",
    "aseg",
    "aparc",
}
_ARCHIVES = (".zip", ".tar", ".tgz", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")
#: values that a label map may have, at most
MOST_LABELS = 64
#: what a person must see to first; reasons that contain none of these words come last
_URGENT = (
    ("not fetched", "not there", "cannot be opened", "regular file"),
    ("cannot be", "damaged", "decoded", "Error"),
    ("archive", "compressed", "linked folder"),
    ("in colour",),
    ("not an image", "no image"),
    ("copy of",),
)


def matches(file: str, patterns: list[str]) -> bool:
    """Whether a relative path matches one of some globs.

    A glob without "/" is held against the file's name, one with it against the whole path, in which "*" spans folders;
    the name of a folder stands for all in it.
    """
    name = PurePosixPath(file).name
    for pattern in patterns:
        p = pattern.strip().removeprefix("./").rstrip("/")
        if "/" not in p and (fnmatchcase(name, p) or any(fnmatchcase(f, p) for f in PurePosixPath(file).parts[:-1])):
            return True
        if fnmatchcase(file, p) or fnmatchcase(file, f"{p}/*") or p.startswith("**/") and fnmatchcase(file, p[3:]):
            return True
    return False


def choose(
    files: list[str], include: list[str] | None, exclude: list[str] | None, is_bids: bool
) -> tuple[list[str], dict[str, str]]:
    """Files to look at, and ``{file: reason}`` of those that are not.

    What is left out by default (derivatives, masks by their BIDS suffix, field maps) comes in where a glob of
    ``include`` names it.

    Args:
        files: relative paths
        include: globs; ``None`` takes all
        exclude: globs
        is_bids: whether the folder has the tables of a BIDS data set

    Raises:
        InputError: ``include`` matches no file
    """
    skipped: dict[str, str] = {}
    chosen = []
    for file in files:
        if include and not matches(file, include):
            skipped[file] = "not in include"
        elif exclude and matches(file, exclude):
            skipped[file] = "in exclude"
        elif (found := default_reason(file, is_bids)) and not _named(found[1], include):
            skipped[file] = found[0]
        else:
            chosen.append(file)
    if (
        include
        and files
        and len(skipped) == len(files)
        and "not in include" in skipped.values()
        and (all(r == "not in include" for r in skipped.values()))
    ):
        raise InputError(f"include {', '.join(include)} matches none of {len(files)} files (first: {files[0]})")
    return chosen, skipped


def _named(words: tuple[str, ...], include: list[str] | None) -> bool:
    return any(w in pattern.casefold() for pattern in include or () for w in words)


def bids_suffix(file: str) -> str:
    """The suffix of a file named as BIDS names images: "T1w" of "sub-01_ses-2_T1w.nii.gz"; "" of others."""
    name = PurePosixPath(file).name
    match = re.match(r"^sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*_([A-Za-z0-9]+)\.(nii(\.gz)?|png|jpe?g|tiff?)$", name)
    return match[1] if match else ""


def default_reason(file: str, is_bids: bool) -> tuple[str, tuple[str, ...]] | None:
    """Why a file is left out unless it is asked for, and the words by which a glob asks for it."""
    folders = [p.casefold() for p in PurePosixPath(file).parts[:-1]]
    suffix = bids_suffix(file)
    if "derivatives" in folders:
        what = f", {suffix}" if suffix else ""
        return f"BIDS derivatives{what}", ("derivatives", *([suffix] if suffix in _BIDS_LABELS else []))
    if is_bids and folders and folders[0] in ("sourcedata", "code"):
        return f"{folders[0]}/ of a BIDS folder", (folders[0],)
    if suffix in _BIDS_LABELS:
        return f"a mask or label map by its BIDS suffix, {suffix}", (suffix.casefold(),)
    if suffix and folders and folders[-1] == "fmap":
        return f"a field map, {suffix}", ("fmap", suffix.casefold())
    return None


def label_word(file: str, include: list[str] | None = None) -> str:
    """The word of a path that speaks of a mask or label map, unless ``include`` names it; "" if there is none."""
    stem = re.sub(r"\.(nii|gz|png|jpe?g|tiff?|bmp|dcm|ima)", "", file, flags=re.IGNORECASE)
    words = [w for w in re.split(r"[^A-Za-z]+", stem) if w]
    found = next((w for w in words if w.casefold() in _LABEL_WORDS), "")
    return "" if found and _named((found.casefold(),), include) else found


def n_labels(array: np.ndarray) -> int:
    """How many values an array holds if it looks like a mask or label map, 0 if it does not.

    Integers of at most 64 kinds; or, of lossy files, nothing but nearly black and nearly white.
    """
    flat = array.reshape(-1)
    few = flat[:: max(1, flat.size // 4096)]
    if (
        few.dtype == np.uint8
        and np.count_nonzero(np.bincount(few)) > MOST_LABELS
        and 0.05 < np.mean((few > 0.04 * 255) & (few < 0.96 * 255))
    ):
        return 0  # most pictures end here, before anything is sorted
    sample = flat[:: max(1, flat.size // 100_000)]
    if sample.dtype.kind == "f" and not np.array_equal(sample, np.round(sample)):
        return 0
    if len(np.unique(sample)) > MOST_LABELS:
        low, high = float(sample.min()), float(sample.max())
        edge = 0.04 * (high - low)
        dark, bright = (sample <= low + edge).mean(), (sample >= high - edge).mean()
        # black and white both, and between them hardly more than an edge: a dark picture has no white
        return 2 if sample.dtype == np.uint8 and 1 - dark - bright < min(0.03, dark, bright) else 0
    values = np.unique(flat)
    return len(values) if len(values) <= MOST_LABELS and np.array_equal(values, np.round(values)) else 0


def one_line(text: str) -> str:
    """A reason as one line; what a damaged file puts into a decoder's message may be no text."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def is_archive(file: str) -> bool:
    """Whether a file's name is that of an archive or of something compressed (NIfTI is read as it is)."""
    return file.casefold().endswith(_ARCHIVES)


def archive_reason(path) -> str:
    """What to say of an archive; nothing is unpacked."""
    import zipfile

    if path.name.casefold().endswith(".zip"):
        try:
            with zipfile.ZipFile(path) as archive:
                return f"an archive of {len(archive.infolist())} files: unpack it to have them read"
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
            return "an archive that cannot be opened"
    if re.search(r"\.(dcm|ima|dicom|png|tiff?|bmp)\.(gz|bz2|xz|zst)$", path.name, re.IGNORECASE):
        return "a compressed image: unpack it to have it read"
    return "an archive or compressed file: unpack it to have it read"


def told(skipped: dict[str, str], most: int = 8) -> list[str]:
    """Lines on what was left out: reasons with counts and one example, what to act on first, routine last."""
    groups: dict[str, list[str]] = {}
    for file, reason in skipped.items():
        plain = reason.replace(file, "FILE").replace(PurePosixPath(file).name, "FILE")
        groups.setdefault(re.sub(r"copy of .*", "copy of", re.sub(r"\d+", "#", plain)), []).append(file)

    def order(key: str) -> tuple:
        rank = next((n for n, words in enumerate(_URGENT) if any(w in key for w in words)), len(_URGENT))
        return rank, -len(groups[key])

    lines = []
    for key in sorted(groups, key=order)[:most]:
        files = groups[key]
        lines.append(
            f"  {len(files):,}: {skipped[files[0]]} (first: {files[0]})"
            if len(files) > 1
            else f"  {files[0]}: {skipped[files[0]]}"
        )
    if len(groups) > most:
        lines.append(f"  and {sum(len(groups[k]) for k in sorted(groups, key=order)[most:]):,} files for other reasons")
    return lines


def suffixes_told(names: list[str]) -> str:
    """The BIDS suffixes of registered files, where there are several; "" otherwise."""
    counts = Counter(s for s in map(bids_suffix, names) if s)
    if len(counts) < 2:
        return ""
    text = ", ".join(f"{s} {n}" for s, n in counts.most_common(8))
    return (
        f"images of several kinds by their BIDS suffix: {text}; include='*_{counts.most_common(1)[0][0]}.nii.gz' "
        "registers one kind only"
    )
