"""The verb ``story``: findings of one cause as one story, and what a model of a target might make of each."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache, partial

import numpy as np
import pandas as pd

from .. import schema, store
from ..analyses import ANALYSES
from ..clustering.cluster import read_clusters
from ..errors import InputError
from ..findings.collect import collect_findings, findings_stamp
from ..findings.finding import Finding, Findings, Selector, existing
from ..progress import Progress, start
from .binding import bind, decided
from .facts import Stories, Story
from .files import with_giveaways
from .given import Conditional
from .grouping import Bundle, Cue, bundle_fields
from .judge import draw_risks, field_groups, judge
from .other import foreign_stories, other_stories, recording_stories
from .pictures import draw_groups
from .same_samples import by_overlap
from .target import no_field, read_label

#: {kind of findings that speak of a metadata field: its place among them}
_OF_FIELDS = {kind: a.speaks for a in ANALYSES if a.speaks for kind in a.of_findings}
_MEASURED = {kind for a in ANALYSES if a.measured for kind in a.of_findings}
_OF_PEOPLE = {kind for a in ANALYSES if a.of_people for kind in a.of_findings}
#: verdicts of what is there
_THERE = ("found", "inseparable")
#: turned pictures of fewer people are told last
FEWEST = 3
#: runs that change no story: what people say, bundles of others, and those that look closer at what is known
_BESIDE = (
    schema.FINDING_REVIEW_RUN,
    schema.SHARED_RUN_PREFIX,
    *(a.run for a in ANALYSES if a.shown and not a.tests and a.run != schema.CLUSTER_RUN_PREFIX),
)
#: groups of a story that are listed
MOST_GROUPS = 6


def story(
    samples,
    *,
    target: str | None = None,
    protected: list[str] | None = None,
    vectors: str = "dae_embedding",
    n_permutations: int = 299,
    subject_field: str | None = None,
    seed: int = 51,
    progress: Progress | None = None,
) -> Stories:
    """Tells what was found by its causes: fields, groups and quality that are one thing become one story.

    Args:
        samples: a dataset or view
        target: field that a model will be trained to tell from the image; each story is then judged by what such a
            model might make of it. One finding of several as "finding=Effusion"
        protected: fields whose groups the model must serve alike (sex, age, ethnicity); judged like stories, whether
            or not anything was found of them
        vectors: the vector field that is asked what is left of a field when another is known
        n_permutations: labelings drawn for each of these questions
        subject_field: field that names the subject; default: as registered, else guessed by name
        seed: random seed

    Returns:
        the stories, the most telling first

    Raises:
        InputError: nothing was found or looked for yet; a target that cannot be one
    """
    store.ensure_samples(samples)
    findings = collect_findings(samples)
    if not findings.rows:
        raise InputError("there is nothing to tell yet: run 'daebias audit' first")
    table = store.read_table(samples)
    subjects = np.array(store.read_subjects(samples, subject_field))
    label = read_label(table, subjects, target, partial(store.left_in_table, samples)) if target else None
    for name in protected or ():
        if name not in table.columns:
            raise InputError(no_field("protected", name, table, store.left_in_table(samples, name)))
        if label is not None and name == label.field:
            raise InputError(
                f"protected: {name!r} is the target itself; name the fields whose groups it must serve alike"
            )
    told = _field_findings(findings)
    # the target is what is wanted, no nuisance: it neither leads a story nor joins one
    aim = label.field if label is not None else ""
    cues = [_cue(name, rows) for name, rows in told.items() if name in table.columns and name != aim]
    pairs = list(itertools.combinations([c.field for c in cues], 2))
    conditional = Conditional(samples, vectors, n_permutations=n_permutations, subject_field=subject_field, seed=seed)
    with start(progress, "finding out what is one thing", len(pairs), "pairs") as task:
        bindings = {}
        for a, b in pairs:
            bindings[frozenset((a, b))] = bind(table[a], table[b], subjects, len(pairs))
            task.advance(note=f"{a}, {b}")
        bundles = bundle_fields(
            cues,
            bindings,
            cache(lambda b, a: decided(table[b], table[a], subjects)),
            cache(lambda cue, a: conditional(cue.field, a, cue.measure)),
        )
    homes = {name: b.lead.field for b in bundles for name in (b.lead.field, *(j.field for j in b.joined))}
    shown = _clusters_of(samples, findings, homes)
    rows = [_field_story(b, findings, told, shown, table, subjects) for b in bundles]
    rows = with_giveaways(samples, rows)
    rows += other_stories(samples, findings)
    rows += recording_stories(table, subjects)
    rows += foreign_stories(samples, vectors, table, subjects, rows)
    rows = by_overlap(samples, findings, rows, table, subjects)
    if label is not None:
        rows = judge(samples, rows, findings, table, subjects, label, conditional, protected or (), seed, progress)
    rows.sort(key=lambda s: (-_rank(s), s.key))
    rows = draw_groups(samples, rows, table, subjects, seed)
    out = Stories(
        tuple(rows),
        expected=tuple(dict.fromkeys(f.field for f in findings.rows if f.verdict == "expected" and f.field)),
        seen=tuple(f.key for f in findings.rows if f.verdict == "expected"),
        target=target or "",
        figures=(draw_risks(store.dataset_of(samples).name, rows, target),) if any(s.risk for s in rows) else (),
        subject_count=len(set(subjects)),
        sample_count=len(subjects),
        n_found=len(findings.found),
        n_tests=findings.n_tests,
        n_not_found=sum(f.verdict == "not found" for f in findings.rows),
        unconfirmed=tuple(f.key for f in findings.rows if f.verdict == "unconfirmed"),
        notes=_notes(findings),
        stamp=findings_stamp(samples, _BESIDE),
    )
    store.save_run(
        samples,
        schema.STORIES_RUN,
        {"vectors": vectors, "target": target or "", "protected": list(protected or ()), "seed": seed},
        {"stories": out.to_dict()},
    )
    return out


def read_stories(samples) -> Stories | None:
    """The stories as they were told last; ``None`` where none were, or where findings have changed since."""
    if schema.STORIES_RUN not in store.list_runs(samples, schema.STORIES_RUN):
        return None
    out = Stories.from_dict(store.load_run(samples, schema.STORIES_RUN)[1]["stories"])
    return out if out.stamp in (findings_stamp(samples, _BESIDE), findings_stamp(samples)) else None


def _field_findings(findings: Findings) -> dict[str, list[Finding]]:
    """Findings that hold, by their field; fields named as expected are no story."""
    expected = {f.field for f in findings.rows if f.verdict == "expected"}
    out: dict[str, list[Finding]] = {}
    for f in findings.rows:
        if f.kind in _OF_FIELDS and f.field and f.verdict in _THERE and f.field not in expected:
            out.setdefault(f.field, []).append(f)
    return out


def _cue(name: str, rows: list[Finding]) -> Cue:
    """A field's evidence: its probe, else the measure that differs, else the strongest of the others."""
    probes = [f for f in rows if f.kind == "probe"]
    measured = [f for f in rows if f.kind in _MEASURED]
    if measured and not probes:
        return Cue(name, measured[0].evidence.strength, measured[0].selector.name)
    return Cue(name, (probes or rows)[0].evidence.strength)


def _clusters_of(samples, findings: Findings, homes: dict[str, str]) -> dict[str, list[str]]:
    """``{lead: clusters that show it}``: what a cluster was made from, else the field it differs in most."""
    clusters = read_clusters(samples)
    out: dict[str, list[str]] = {}
    for name, cluster in clusters.items():
        tests = [f for f in findings.of("association") if f.cluster == name and f.verdict in _THERE]
        best = max(tests, key=lambda f: (f.evidence.strength, f.key), default=None)
        field = cluster.coloured_by if cluster.coloured_by in homes else best.field if best is not None else ""
        if field in homes:
            out.setdefault(homes[field], []).append(name)
    return out


def _field_story(bundle: Bundle, findings: Findings, told, shown, table: pd.DataFrame, subjects) -> Story:
    lead, names = bundle.lead.field, [bundle.lead.field, *(j.field for j in bundle.joined)]
    behind = sorted(
        (f for name in names for f in told.get(name, ())),
        key=lambda f: (names.index(f.field), _OF_FIELDS.get(f.kind, 9), -f.evidence.strength),
    )
    best = behind[0]
    groups, n_subjects, n_samples = field_groups(table[lead], subjects)
    opposite = next((f.selector.name for f in findings.of("opposite") if f.field == lead), "")
    return Story(
        f"story:{lead}",
        "field",
        lead,
        tuple(bundle.joined),
        tuple(bundle.ties),
        tuple(sorted(shown.get(lead, ()))),
        groups[:MOST_GROUPS],
        len(groups),
        tuple(f.key for f in behind),
        best.evidence.measure,
        best.evidence.value,
        best.evidence.interval,
        best.evidence.chance,
        best.evidence.unit,
        best.evidence.q,
        best.evidence.strength,
        n_subjects,
        n_samples,
        Selector("field", lead),
        people=tuple(dict.fromkeys(f.key.split(":")[1] for f in behind if f.kind in _OF_PEOPLE)),
        inseparable=all(f.verdict == "inseparable" for f in behind),
        next_step=_next(lead, best, shown.get(lead, ())),
        opposite=opposite,
    )


def _next(lead: str, best: Finding, clusters):
    if clusters and not all(c.startswith("opposite-") for c in clusters):
        name = sorted(c for c in clusters if not c.startswith("opposite-"))[0]
        return existing("explain", "Where in the image is the difference?", cluster=name)
    return best.next_step or existing("explain", "Where in the image is the difference?", field=lead)


def _rank(story: Story) -> float:
    """Shortcuts to the target first, then leaks and copies, which spoil every score; then by what the images tell."""
    if story.risk is not None and story.lead.startswith(schema.FILE_PREFIX) and story.risk.utility_interval[0] >= 0.8:
        return 3.0 + story.risk.utility  # files alone tell the target, whatever a model makes of the pictures
    if story.risk is not None and story.risk.verdict in ("shortcut", "same"):
        return 3.0 + story.risk.utility * float(np.nan_to_num(story.risk.detectability, nan=1.0))
    if story.risk is not None and story.risk.verdict in ("possible", "confounder"):
        return 1.0 + story.risk.utility
    return {
        "persons": 2.0 if story.measure == "samples" else 0.5,
        "copies": 1.9,
        "foreign": 1.8,
        "text": 1.7,
        "turned": 1.6 if story.n_subjects >= FEWEST else 0.2,
        "recording": 0.45,
        "conflicts": 0.4,
    }.get(story.kind, story.strength)


def _notes(findings: Findings) -> tuple[str, ...]:
    old = Counter(f.verdict for f in findings.rows)["older version"]
    return (f"{old} results of an older version are not told; run 'daebias audit' again",) if old else ()
