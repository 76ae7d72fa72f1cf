"""Whose images they are: files of one SeriesInstanceUID told apart by patient, study and series before stacking.

De-identification often writes one constant UID into every file, so a UID alone never says that files belong together.
"""

from __future__ import annotations

from collections import defaultdict

import pydicom

#: what stands in PatientID or PatientName of many people at once
NOBODY = {
    "anonymous",
    "anonymized",
    "anonymised",
    "anonym",
    "anon",
    "none",
    "unknown",
    "unbekannt",
    "removed",
    "deleted",
    "deidentified",
    "de-identified",
    "n/a",
    "na",
    "null",
    "nan",
    "xxx",
    "xxxx",
    "x",
    "0",
    "00",
    "000",
    "0000",
    "00000",
    "000000",
    "0000000",
    "00000000",
    "no name",
    "noname",
    "patient",
    "test",
}


def patient_of(dataset: pydicom.Dataset) -> tuple[str, str] | None:
    """Patient id (else name) and its issuer; ``None`` where there is none, or a word that stands for anybody."""
    for keyword in ("PatientID", "PatientName"):
        text = _text(dataset, keyword)
        if text and text.strip("^ ").casefold() not in NOBODY:
            return text, _text(dataset, "IssuerOfPatientID")
    return None


def by_person(datasets: list[pydicom.Dataset]) -> tuple[list[list[int]], list[str]]:
    """Splits the files of one SeriesInstanceUID by patient, each patient's by study, and each study's by series.

    Patients differ when id or issuer differ; when name, birth date or sex do, though the id is the same; a value that
    is missing in some files of a patient tells nobody apart, a missing id does. Studies that are as many as the files
    (a UID made anew for each) say nothing; then date and number of the study count.

    Args:
        datasets: headers of the series

    Returns:
        positions of the files of each volume to be, and what is odd, in words
    """
    groups, notes = [list(range(len(datasets)))], []
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex"):
        groups = [part for g in groups for part in _split(datasets, g, keyword, strict=keyword == "PatientID")]
    if len(groups) > 1:
        notes.append("one SeriesInstanceUID holds images of several patients: told apart by what else names them")
    patients, out = groups, []
    for group in patients:
        studies = _split(datasets, group, "StudyInstanceUID")
        if len(group) > 1 and len(studies) == len(group):
            studies = [group]
            for keyword in ("StudyDate", "StudyID", "AccessionNumber"):
                studies = [part for g in studies for part in _split(datasets, g, keyword)]
            if len(studies) == len(group):
                studies = [group]
            notes.append(
                "every file of a series has a StudyInstanceUID of its own: it was not used to tell volumes apart"
            )
        if len(studies) > 1:
            notes.append("one SeriesInstanceUID holds images of several studies of a patient: told apart")
        for study in studies:
            series = _series(datasets, study)
            if len(series) > 1:
                notes.append(
                    "one SeriesInstanceUID holds several series of a study: told apart by number, "
                    "description, kernel or frame of reference"
                )
            out += series
    return out, list(dict.fromkeys(notes))


def by_folder(datasets: list[pydicom.Dataset], folders: list[str], group: list[int]) -> list[list[int]]:
    """Files that name no patient, by folder, where folders count their images from the start again.

    De-identification that removes the patient and writes one UID into all files leaves nothing but the folder.
    """
    parts: dict[str, list[int]] = defaultdict(list)
    for k in group:
        parts[folders[k]].append(k)
    if len(parts) < 2 or any(patient_of(datasets[k]) for k in group):
        return [group]
    numbers = [{_text(datasets[k], "InstanceNumber") for k in part} for part in parts.values()]
    disjoint = sum(map(len, numbers)) == len(set().union(*numbers))
    return [group] if disjoint else list(parts.values())


def _series(datasets, group: list[int]) -> list[list[int]]:
    """Files of one study by what is the same in all images of a series; what differs in every file is no such thing."""
    parts = [group]
    for keyword in ("SeriesNumber", "SeriesDescription", "ProtocolName", "ConvolutionKernel", "FrameOfReferenceUID"):
        split = [part for g in parts for part in _split(datasets, g, keyword)]
        if len(split) < len(group):
            parts = split
    return parts


def _split(datasets, group: list[int], keyword: str, strict: bool = False) -> list[list[int]]:
    parts: dict[str, list[int]] = defaultdict(list)
    for k in group:
        parts[_plain(datasets[k], keyword)].append(k)
    return list(parts.values()) if len(parts) - (not strict and "" in parts) > 1 else [group]


def _plain(dataset: pydicom.Dataset, keyword: str) -> str:
    """A value as it is compared: names without order and case, dates as digits."""
    text = _text(dataset, keyword)
    if keyword == "PatientName":
        return " ".join(sorted(text.replace("^", " ").replace("=", " ").replace(",", " ").casefold().split()))
    if keyword in ("PatientBirthDate", "StudyDate"):
        return "".join(c for c in text if c.isdigit())
    return text[:1].upper() if keyword == "PatientSex" else text


def _text(dataset: pydicom.Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword) or "").replace("\0", "").strip()
    except Exception:  # pydicom finds a damaged element only when it is looked at
        return ""
