"""Croissant metadata (MLCommons, format 1.0) with the responsible-AI fields (RAI 1.0), from the facts of an audit.

The cohort stays where it is: no file of it is named. Nobody's identity and no
group of fewer than k subjects is told.
"""

from __future__ import annotations

import re

from ..analyses import of_kind
from ..findings.formatting import percent
from ..statistics.cells import tellable
from .datasheet import About, biases, errors, known_limits, preprocessing, sensitive, timeframe
from .facts import ReportFacts

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
UNKNOWN = "not recorded by the audit"


def croissant(facts: ReportFacts, about: About) -> dict:
    """The JSON-LD."""
    c = facts.cohort
    missing = [f"{f.name}: {percent(f.n_missing / max(c.n_samples, 1))} missing" for f in c.fields if f.n_missing]
    out = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": _name(c.name),
        "description": about.description
        or (f"{c.n_samples:,} medical images or volumes of {c.n_subjects:,} subjects, audited with fiftyone_daebias."),
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "license": about.license or UNKNOWN,
        "url": about.url or "urn:x-daebias:" + _name(c.name),
        "creator": {"@type": "sc:Organization", "name": about.creator or UNKNOWN},
        "datePublished": facts.created[:10] or "1970-01-01",
        "version": "1.0.0",
        "citeAs": about.citation or UNKNOWN,
        "rai:dataCollection": f"{c.geometry}; fields: " + ", ".join(f.name for f in c.fields),
        "rai:dataCollectionType": ["Others"],
        "rai:dataCollectionMissingData": "; ".join(missing) or "no field lacks values",
        "rai:dataPreprocessingProtocol": [preprocessing(facts)],
        "rai:dataBiases": biases(facts) or ["the audit found none that holds over everything it tested"],
        "rai:dataLimitations": known_limits(facts),
        "rai:dataReleaseMaintenancePlan": UNKNOWN,
        "rai:personalSensitiveInformation": [sensitive(facts)],
        "rai:dataSocialImpact": "A model trained on these "
        "data may "
        "use what the audit found as a short cut and fail where it does not hold.",
        "rai:dataUseCases": ["training and testing of models after the findings were looked at"],
        "rai:dataManipulationProtocol": errors(facts),
        "rai:machineAnnotationTools": [f"fiftyone_daebias {facts.versions.get('fiftyone-daebias', '')}".strip()],
        "distribution": [],
        "recordSet": [_fields(facts), _findings(facts)],
    }
    when = timeframe(facts)
    if when:
        years = re.findall(r"\d{4}", when)
        out["rai:dataCollectionTimeframe"] = [f"{years[0]}-01-01", f"{years[1]}-12-31"]
    return out


def _name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-") or "cohort"


def _record_set(name: str, description: str, fields: list[tuple[str, str, str]], rows: list[dict]) -> dict:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{f}", "name": f"{name}/{f}", "description": text, "dataType": kind}
            for f, text, kind in fields
        ],
        "data": [{f"{name}/{k}": v for k, v in row.items()} for row in rows],
    }


def _fields(facts: ReportFacts) -> dict:
    n = max(facts.cohort.n_samples, 1)
    rows = [
        {"name": f.name, "kind": f.kind, "missing": round(f.n_missing / n, 4), "values": f.n_values}
        for f in facts.cohort.fields
    ]
    return _record_set(
        "metadata_fields",
        "The metadata fields, and how many samples lack each",
        [
            ("name", "name of the field", "sc:Text"),
            ("kind", "kind of value", "sc:Text"),
            ("missing", "share of samples without a value", "sc:Float"),
            ("values", "distinct values", "sc:Integer"),
        ],
        rows,
    )


def _findings(facts: ReportFacts) -> dict:
    rows = []
    for f in facts.findings.rows:
        if (
            not (about := of_kind(f.kind))
            or not about.public
            or f.n_subjects < max(1, facts.cohort.k)
            or not tellable(f.cells, facts.cohort.k)
        ):
            continue
        e = f.evidence
        rows.append(
            {
                "kind": f.kind,
                "field": f.field,
                "verdict": f.verdict,
                "measure": e.measure,
                "value": _rounded(e.value),
                "low": _rounded(e.interval[0]),
                "high": _rounded(e.interval[1]),
                "chance": _rounded(e.chance),
                "q": _rounded(e.q),
                "detectable": _rounded(e.detectable),
                "subjects": f.n_subjects,
            }
        )
    return _record_set(
        "audit_findings",
        "What the audit tested, with effect, interval and corrected p-value",
        [
            ("kind", "which step", "sc:Text"),
            ("field", "metadata field", "sc:Text"),
            ("verdict", "what came out", "sc:Text"),
            ("measure", "measure of the effect", "sc:Text"),
            ("value", "effect", "sc:Float"),
            ("low", "lower end of the 95 % interval", "sc:Float"),
            ("high", "upper end of the 95 % interval", "sc:Float"),
            ("chance", "value if there were nothing", "sc:Float"),
            ("q", "corrected p-value", "sc:Float"),
            ("detectable", "smallest effect found with probability 0.8", "sc:Float"),
            ("subjects", "subjects that took part", "sc:Integer"),
        ],
        rows,
    )


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if value == value and abs(value) != float("inf") else None
