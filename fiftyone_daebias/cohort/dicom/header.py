"""What may be taken from a DICOM header: an allow-list, typed. Everything else stays in the file."""

from __future__ import annotations

import datetime

import pydicom

from ..pseudonyms import looks_identifying
from .people import NOBODY
from .values import OLDEST, TALLEST_M, metres_of, years_of

#: {field: (keyword, kind)}; kinds: text, number, age, date, time, first (of several), pair
ALLOWED = {
    "sex": ("PatientSex", "sex"),
    "age": ("PatientAge", "age"),
    "weight": ("PatientWeight", "number"),
    "height": ("PatientSize", "number"),
    "body_part": ("BodyPartExamined", "text"),
    "modality": ("Modality", "text"),
    "manufacturer": ("Manufacturer", "text"),
    "model": ("ManufacturerModelName", "text"),
    "field_strength": ("MagneticFieldStrength", "number"),
    "software": ("SoftwareVersions", "text"),
    "station": ("StationName", "text"),
    "institution": ("InstitutionName", "text"),
    "protocol": ("ProtocolName", "text"),
    "series_description": ("SeriesDescription", "text"),
    "echo_time": ("EchoTime", "number"),
    "repetition_time": ("RepetitionTime", "number"),
    "inversion_time": ("InversionTime", "number"),
    "flip_angle": ("FlipAngle", "number"),
    "echo_train": ("EchoTrainLength", "number"),
    "bandwidth": ("PixelBandwidth", "number"),
    "coil": ("ReceiveCoilName", "text"),
    "thickness": ("SliceThickness", "number"),
    "position": ("PatientPosition", "text"),
    "laterality": ("Laterality", "text"),
    "view": ("ViewPosition", "text"),
    "burned_in": ("BurnedInAnnotation", "text"),
}
KINDS = {name: "float" if kind in ("number", "age") else "string" for name, (_, kind) in ALLOWED.items()} | {
    "acquisition_date": "date",
    "acquisition_hour": "float",
}
#: what the standard says that numbers are in, as they are kept here
UNITS = {
    "age": "years",
    "weight": "kg",
    "height": "m",
    "field_strength": "T",
    "echo_time": "ms",
    "repetition_time": "ms",
    "inversion_time": "ms",
    "flip_angle": "degrees",
    "bandwidth": "Hz per pixel",
    "thickness": "mm",
    "acquisition_hour": "hours",
}
_POSITIVE = ("weight", "height", "field_strength", "repetition_time", "thickness")
#: what a technician types; it may name a person, whatever the other attributes say
_TYPED_IN = ("protocol", "series_description", "body_part", "station", "coil", "view")
#: free text, which may name a person; its single words mean nobody
_FREE_TEXT = ("PatientComments", "ImageComments", "AdditionalPatientHistory", "InstitutionAddress")
#: attributes whose values identify a person; nothing that holds one of them is kept
IDENTIFYING = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientBirthDate",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "NameOfPhysiciansReadingStudy",
    "RequestingPhysician",
    "PhysiciansOfRecord",
    "InstitutionAddress",
    "AccessionNumber",
    "MilitaryRank",
    "PatientReligiousPreference",
    "ResponsiblePerson",
    "PatientComments",
    "ImageComments",
    "AdditionalPatientHistory",
    "IssuerOfPatientID",
)


def fields_of(dataset: pydicom.Dataset) -> tuple[dict, dict[str, str], list[str]]:
    """The allowed fields of a header; values that are missing, empty or not of their kind are left out.

    Enhanced files state several of them in their functional groups, which are looked into too. The sex is given as it
    stands: what its codes mean is seen over a whole cohort only (:func:`values.sexes_of`).

    Returns:
        the fields, ``{field: what stands there}`` of values that could not be used, and what was understood, in words
    """
    secrets = identifying_words(dataset)
    out, unusable, notes = {}, {}, []
    for name, (keyword, kind) in ALLOWED.items():
        raw = _find(dataset, keyword)
        value = _typed(raw, kind)
        if isinstance(value, str) and any(s in value.casefold() for s in secrets):
            continue  # a protocol or station named after a person
        if name in _TYPED_IN and isinstance(value, str) and (reason := looks_identifying(value)):
            unusable[name] = f"not stored: {reason}"
            continue
        if name in _POSITIVE and isinstance(value, float) and value <= 0:
            continue  # consoles write 0 for "not asked"
        if name == "height" and value is not None:
            if value > TALLEST_M:
                notes.append("height: PatientSize is over 3 and should be metres (as 1.75): read as centimetres")
            value = metres_of(value)
        if value is not None:
            out[name] = value
        elif kind in ("age", "number") and str(raw if raw is not None else "").strip():
            unusable[name] = str(raw).strip()[:16]
    if "laterality" not in out and (side := _typed(_find(dataset, "ImageLaterality"), "text")):
        out["laterality"] = side[:1].upper()
    date = acquisition_date(dataset)
    if date is not None:
        out["acquisition_date"] = date
        if "age" not in out:
            years, reason = _age_at(date, _value(dataset, "PatientBirthDate"))
            if years is not None:
                out["age"] = years
            elif reason:
                unusable.setdefault("age", reason)
    hour = _hour(_value(dataset, "AcquisitionTime") or _value(dataset, "SeriesTime") or _value(dataset, "StudyTime"))
    if hour is not None:
        out["acquisition_hour"] = hour
    return out, unusable, notes


def _age_at(date: datetime.date, birth) -> tuple[float | None, str]:
    """Whole years between birth and acquisition, or why there are none; 1 January 1900 stands for "not known"."""
    born = _date(birth)
    if born is None:
        return None, ""
    if (born.year, born.month, born.day) == (1900, 1, 1):
        return None, "a birth date of 1900-01-01, which stands for not known"
    years = date.year - born.year - ((date.month, date.day) < (born.month, born.day))
    return (float(years), "") if 0 <= years <= OLDEST else (None, f"a birth date {years} years before the scan")


def acquisition_date(dataset: pydicom.Dataset) -> datetime.date | None:
    """Date of the acquisition, else of the series, else of the study."""
    stamp = str(_value(dataset, "AcquisitionDateTime") or "")[:8]
    dates = [_value(dataset, k) for k in ("AcquisitionDate", "SeriesDate", "StudyDate")]
    for value in (dates[0], stamp, *dates[1:]):
        if (date := _date(value)) is not None:
            return date
    return None


def identifying_words(dataset: pydicom.Dataset) -> set[str]:
    """Parts of identifying values, case-folded; parts too short or too common to mean anybody are left out."""
    out = set()
    for keyword in IDENTIFYING:
        value = _value(dataset, keyword)
        if value in (None, ""):
            continue
        values = value if isinstance(value, (list, tuple, pydicom.multival.MultiValue)) else [value]
        for text in map(str, values):
            parts = [text]
            if keyword not in _FREE_TEXT:
                parts += text.replace("^", " ").replace("=", " ").replace(",", " ").split()
            out |= {p.strip().casefold() for p in parts if len(p.strip()) >= 4}
    return out - NOBODY - {"phantom"}


def _find(dataset: pydicom.Dataset, keyword: str):
    value = _value(dataset, keyword)
    if value not in (None, ""):
        return value
    for keyword_of_groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        groups = _value(dataset, keyword_of_groups)
        if not groups:
            continue
        alias = {"EchoTime": "EffectiveEchoTime", "InversionTime": "InversionTimes"}.get(keyword, keyword)
        for element in groups[0]:
            if element.VR == "SQ" and element.value:
                for name in (keyword, alias):
                    if name in element.value[0] and element.value[0].get(name) not in (None, ""):
                        return element.value[0].get(name)
    return None


def _value(dataset: pydicom.Dataset, keyword: str):
    """An element's value; one that is damaged, which pydicom finds only when it is looked at, counts as missing."""
    try:
        return dataset.get(keyword)
    except Exception:
        return None


def _typed(value, kind: str):
    if isinstance(value, (list, tuple, pydicom.multival.MultiValue)):
        if not len(value):
            return None
        value = "/".join(str(v) for v in value) if kind == "text" else value[0]
    if value is None or str(value).strip() == "":
        return None
    text = "".join(c for c in str(value) if c.isprintable()).strip()
    if kind == "text":
        return text[:64] or None
    if kind == "sex":
        return text[:16]
    if kind == "age":
        return years_of(text)
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e12 else None  # NaN and infinite are no numbers either


def _date(value) -> datetime.date | None:
    text = str(value or "").strip().replace(".", "")
    try:
        date = datetime.datetime.strptime(text[:8], "%Y%m%d").date()
    except ValueError:
        return None
    return date if 1880 <= date.year <= 2200 else None


def _hour(value) -> float | None:
    text = str(value or "").replace(":", "").strip()
    if len(text) < 4 or not text[:4].isdigit():
        return None
    hour, minute = int(text[:2]), int(text[2:4])
    return round(hour + minute / 60, 2) if hour < 24 and minute < 60 else None
