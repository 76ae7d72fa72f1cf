"""Configurations, plans, bundles and headers that somebody may hand over: strategies, and what must become of each.

Each check returns "read" or "refused"; anything but the package's own error in one line is a failure.
"""

from __future__ import annotations

import datetime
import io
import json
import tempfile
from pathlib import Path

import yaml
from hypothesis import strategies as st

from fiftyone_daebias.errors import DaebiasError

#: plain values that YAML and JSON can hold, honest and odd
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 200),
    st.sampled_from(
        [10**400, -(2**63), 2**31, float("nan"), float("inf"), -0.0, 1e308, "", " ", "\u202e", "a\nb", "<b>"]
    ),
    st.floats(-10, 10),
    st.text(max_size=12),
    st.sampled_from(
        ["sex", "site", "resnet10", "axial", "rbf", "dae_embedding", "auto", "../../x", "/dev/null", "0.5"]
    ),
    st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 1, 1)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=6), st.integers()), inner, max_size=3)
    ),
    max_leaves=8,
)
#: YAML that no dump would write
TEXTS = st.sampled_from(
    [
        "2020-13-45",
        "1:99:99",
        "0x",
        "0b2",
        "!!float x",
        "!!int x",
        "!!timestamp x",
        "!!binary '*'",
        "!!set x",
        "!!omap x",
        "!!pairs [a]",
        "!!map [a]",
        "!!seq {a: 1}",
        "!!python/name:os.system",
        "&a [*a]",
        "&a {b: *a}",
        "{<<: 5}",
        "{<<: [1]}",
        "*nobody",
        "{? [a]: 1}",
        "{a: 1, a: 2}",
        "!!str {a: 1}",
        "!!null x",
        "!!bool x",
        "\x00",
        "\t- x",
        "'",
        "[" * 2000,
        "{a: " * 300,
        "1" * 6000,
        "- " * 500,
        "--- 1\n--- 2",
        "%YAML 9.9\n---\n1",
    ]
)


def _bomb(levels: int) -> str:
    lines = ["dataset: x", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [" + ", ".join([f"*a{k - 1}"] * 9) + "]" for k in range(1, levels)]
    return "\n".join(lines)


@st.composite
def configs(draw) -> str:
    """An audit's configuration with some of its values replaced, or text that is no YAML of ours."""
    from fiftyone_daebias.reporting.audit_config import AuditConfig

    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(TEXTS)
    if kind == 1:
        return draw(st.one_of(st.text(max_size=60), st.integers(1, 12).map(_bomb)))
    raw = AuditConfig(dataset="x").to_dict()
    for _ in range(draw(st.integers(1, 4))):
        where = raw
        if draw(st.booleans()):
            step = draw(st.sampled_from(sorted(map(str, raw["steps"])) or ["tag"]))
            where = raw["steps"].get(step) if isinstance(raw["steps"], dict) else raw
            where = where if isinstance(where, dict) else raw
        key = draw(st.one_of(st.sampled_from(sorted(map(str, where)) or ["x"]), st.text(max_size=6)))
        if kind == 2:
            where.pop(key, None)
        else:
            where[key] = draw(VALUES)
        if not isinstance(raw.get("steps"), dict):
            break
    text = yaml.safe_dump(raw, allow_unicode=True)
    if kind == 3:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.one_of(TEXTS, st.text(max_size=5))) + text[at + draw(st.integers(0, 9)) :]
    return text


def check_config(text: str) -> str:
    """Reads a configuration, and asks it for everything that an audit would."""
    from fiftyone_daebias.reporting.audit_config import AuditConfig

    def work(path: Path) -> None:
        config = AuditConfig.read(path)
        raw = config.to_dict()
        for step in raw["steps"]:
            config.parameters(step)
        assert AuditConfig.read(_file(path.parent, config.to_yaml(), "again.yaml")).to_dict() == raw

    return _outcome(text, work)


@st.composite
def plans(draw) -> str:
    """A registration's plan with some of its values replaced."""
    raw = {
        "version": 1,
        "options": {"key": "file", "seed": 51, "plane": "auto", "keep": ["age"], "spacing": None, "to_grey": False},
        "table": {
            "layout": {"delimiter": ",", "header": 0},
            "subject": "who",
            "columns": {
                "age": {"stored": True, "field": "age", "reading": {"kind": "integer"}},
                "name": {"stored": False, "reason": "a name"},
            },
            "join": {"way": "file", "columns": ["file"]},
        },
    }
    for _ in range(draw(st.integers(1, 3))):
        where = raw
        while isinstance(where, dict) and where:
            key = draw(st.one_of(st.sampled_from(sorted(map(str, where))), st.text(max_size=5)))
            if isinstance(where.get(key), dict) and draw(st.booleans()):
                where = where[key]
                continue
            where[key] = draw(VALUES)
            break
    return yaml.safe_dump(raw, allow_unicode=True)


def check_plan(text: str) -> str:
    """Reads a plan, and reads and joins a table by it."""
    from fiftyone_daebias.cohort.items import Item
    from fiftyone_daebias.cohort.join import join
    from fiftyone_daebias.cohort.plan import read_plan
    from fiftyone_daebias.cohort.table import read_table

    def work(path: Path) -> None:
        options, planned = read_plan(path)
        table = _file(path.parent, "file,who,age,name\na.png,p1,40,Ada\nb.png,p2,50,Bob\nc.png,p2,51,Bob\n", "t.csv")
        items = [Item(f, "raster", (f,)) for f in ("a.png", "b.png", "c.png")]
        read = read_table(table, sheet=options.get("sheet"), layout=planned.get("layout"))
        given = {k: options.get(k) for k in ("keep", "missing_codes")}
        join(items, read, options.get("key"), options.get("subject"), options.get("pattern"), plan=planned, **given)

    return _outcome(text, work)


@st.composite
def bundles(draw, good: dict[str, bytes], sealed) -> dict[str, bytes]:
    """A bundle's members, changed by somebody who knows the format: the sums fit what is there."""
    members = dict(good)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(members)))
        if not name.endswith(".json") or draw(st.integers(0, 5)) == 0:
            data = bytearray(members[name])
            at = draw(st.integers(0, max(0, len(data) - 1)))
            data[at : at + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
            members[name] = bytes(data)
            continue
        try:
            raw = json.loads(members[name])
        except ValueError:
            continue
        where = raw
        while isinstance(where, (dict, list)) and where:
            key = (
                draw(st.sampled_from(sorted(where)))
                if isinstance(where, dict)
                else draw(st.integers(0, len(where) - 1))
            )
            if isinstance(where[key], (dict, list)) and where[key] and draw(st.integers(0, 3)):
                where = where[key]
                continue
            if isinstance(where, dict) and draw(st.integers(0, 4)) == 0:
                key = draw(st.text(max_size=6))
            where[key] = draw(VALUES)
            break
        members[name] = json.dumps(raw, default=str).encode()
    if draw(st.integers(0, 3)):
        try:
            members = sealed(members)
        except (ValueError, TypeError, KeyError, AttributeError):
            return members
    return members


def check_bundle(members: dict[str, bytes]) -> str:
    """Reads a bundle as an import does before it writes anything."""
    from fiftyone_daebias.sharing.archive import read_archive, write_archive
    from fiftyone_daebias.sharing.contents import from_members
    from fiftyone_daebias.sharing.signing import take_signature

    def work(path: Path) -> None:
        write_archive(path.with_suffix(".zip"), members)
        read, _ = take_signature(read_archive(path.with_suffix(".zip")))
        from_members(read)

    return _outcome("", work)


#: values of header elements: of any text, number or list
_ELEMENTS = st.dictionaries(
    st.sampled_from(
        "Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel PhotometricInterpretation "
        "NumberOfFrames RescaleSlope RescaleIntercept PixelSpacing ImagePositionPatient ImageOrientationPatient "
        "SliceThickness WindowCenter WindowWidth PixelPaddingValue InstanceNumber PatientAge PatientSex AcquisitionDate "
        "AcquisitionTime PatientID PatientName Modality Manufacturer SeriesInstanceUID StudyInstanceUID EchoTime "
        "PatientWeight PatientBirthDate SpecificCharacterSet".split()
    ),
    st.one_of(
        st.integers(-3, 70_000),
        st.floats(allow_nan=True, allow_infinity=True).map(str),
        st.text(max_size=20),
        st.lists(st.one_of(st.floats(-1e3, 1e3).map(lambda v: f"{v:.6g}"), st.just("nan"), st.just("")), max_size=6),
    ),
    min_size=1,
    max_size=5,
)


@st.composite
def dicom_files(draw, good: bytes) -> bytes:
    """A DICOM file with other values in its header; what pydicom cannot write stays as it was."""
    import pydicom
    from pydicom import config

    d = pydicom.dcmread(io.BytesIO(good))
    with config.disable_value_validation():
        for keyword, value in draw(_ELEMENTS).items():
            before = d.get(keyword)
            try:
                setattr(d, keyword, value)
                d.save_as(io.BytesIO())
            except Exception:  # a value that pydicom does not take, or cannot write
                if before is None:
                    if keyword in d:
                        delattr(d, keyword)
                else:
                    setattr(d, keyword, before)
        out = io.BytesIO()
        d.save_as(out)
    return out.getvalue()


@st.composite
def nifti_files(draw, good: bytes) -> bytes:
    """A NIfTI file with odd numbers in its header of 348 bytes."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, 347))
        odd = draw(
            st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\0\0\xc0\x7f"]))
        )
        data[at : at + len(odd)] = odd
    return bytes(data)


def check_image(data: bytes, suffix: str, outcome) -> str:
    """Looks through and reads one file as a registration does; ``outcome`` is that of benchmarks/fuzz_ingest.py."""
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        images.mkdir()
        (images / f"a{suffix}").write_bytes(data)
        found, why = outcome(images, f"a{suffix}", Path(folder, "work"))
    assert found in ("read", "left out"), f"{found}: {why}"
    return "read" if found == "read" else "refused"


def _outcome(text: str, work) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            work(_file(Path(folder), text, "given.yaml"))
        except DaebiasError as error:
            line = str(error)
            assert line.isprintable() and len(line) < 2000, f"not one line: {line[:300]!r}"
            return "refused"
    return "read"


def _file(folder: Path, text: str, name: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path
