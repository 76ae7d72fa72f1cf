"""Out of a dataset into the contents of a bundle, leaving behind identity and small groups."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np

from .. import schema, store
from ..clustering.cluster import read_clusters
from ..errors import BundleError, InputError
from ..findings.collect import Finding, collect_findings
from ..findings.formatting import number, p_value
from ..findings.review import read_reviews
from ..probes.probe_findings import key_of
from ..probes.result import ProbeResult
from ..progress import Progress
from ..reporting.shareable import may_leave
from ..statistics.cells import read_cells, tellable, too_small
from . import checked
from .content import content_hashes, subject_keys
from .contents import COLUMNS, PROVENANCE, Contents, Group, Row, Said, Workspace
from .handover import KEPT
from .shared_stories import StoryRow, to_share
from .suppress import big_enough, secret_words, suppress_small_counts

#: selectors that name a group of samples, and not all or whoever has a value
_GROUPS = ("tag", "group", "ids")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")


class Collector:
    """Reads one dataset for a bundle.

    Args:
        samples: a dataset or view
        k: fewest subjects a group may have
        vectors: whether vectors go along
        identity: whether file names and subject ids go along
        notes: whether notes and authors go along
        secret: agreed secret of the subject keys
        progress: where to report
    """

    def __init__(
        self,
        samples,
        *,
        k: int,
        vectors: bool,
        identity: bool,
        notes: bool,
        secret: str | None,
        progress: Progress | None = None,
    ):
        self.samples, self.k, self.vectors, self.notes = samples, k, vectors, notes
        ids, subjects = store.sample_ids(samples), store.read_subjects(samples)
        files = store.file_paths(samples)
        hashes = content_hashes(samples, progress)
        key_of = subject_keys(secret)
        kept = [n for n in range(len(ids)) if hashes[n][0]]
        if not kept:
            raise InputError(
                f"none of the {len(ids):,} images of dataset {store.dataset_of(samples).name!r} can be read any more, "
                "so no teammate could match them; restore the files, or register them again"
            )
        self.without_content = len(ids) - len(kept)
        # in the order of their hashes, which says nothing of the order here
        kept.sort(key=lambda n: (hashes[n][0], subjects[n]))
        self.ids = [ids[n] for n in kept]
        self.subjects = [subjects[n] for n in kept]
        self.row_of = {i: r for r, i in enumerate(self.ids)}
        words, more = secret_words(subjects, files, ids), secret_words(subjects, files, ids, shortest_number=3)
        # a field name or class must stay readable even where somebody's id is the same word
        known = {w.casefold() for w in store.metadata_fields(samples)}
        self.words, self.words_of_people = words - known, more - known
        extra = [(files[n], subjects[n]) if identity else ("", "") for n in kept]
        self.rows = tuple(
            Row(
                *hashes[n],
                key_of(subjects[n]),
                suppress_small_counts(file, longest=1000),
                suppress_small_counts(person, longest=200),
            )
            for n, (file, person) in zip(kept, extra, strict=True)
        )
        self.withheld: Counter[str] = Counter()
        self._told: list[frozenset[str]] = []
        self.broken: list[str] = []
        #: kinds of findings whose runs kept no counts
        self.uncounted: Counter[str] = Counter()
        n_subjects = len(set(self.subjects))
        if n_subjects < k:
            raise InputError(
                f"min_subjects: the samples are of {n_subjects} subjects, fewer than {k}; nothing can be shared"
            )

    def suppress_small_counts(self, text: object, longest: int = 4000) -> str:
        """Text without what must not leave."""
        return suppress_small_counts(str(text or ""), self.k, self.words, longest)

    def members(self, ids) -> tuple[int, ...]:
        """Rows of samples, without those that are not shared."""
        return tuple(self.row_of[i] for i in ids if i in self.row_of)

    def allows(self, rows, what: str) -> bool:
        """Whether a group may leave; counts it as withheld if not."""
        if rows and big_enough(rows, self.subjects, self.k) and self._apart(rows):
            return True
        self.withheld[what] += 1
        return False

    def _apart(self, rows) -> bool:
        """Whether no group of fewer than k can be had from this one and one told before; then it is told from now on.

        A group within another leaves the difference, two that share nobody leave the rest of the cohort.
        """
        mine, n = frozenset(self.subjects[r] for r in rows), len(set(self.subjects))
        for other in self._told:
            if mine < other or other < mine:
                left = abs(len(mine) - len(other))
            else:
                left = 0 if mine & other else n - len(mine) - len(other)
            if 0 < left < self.k:
                return False
        self._told.append(mine)
        return True

    def contents(self) -> Contents:
        """Everything that may leave."""
        clusters = self._clusters()
        settled = collect_findings(self.samples, authors=self.notes).rows
        by_key = {f.key: f for f in settled}
        findings = self._findings(settled)
        said = {key: f"{f['verdict']}: {f['sentence']}" for key, f in findings.items()}
        return Contents(
            self.rows,
            self._maps(),
            self._vectors() if self.vectors else {},
            tuple(findings.values()),
            self._probes(by_key, findings),
            self._associations({k: by_key[k] for k in findings}),
            clusters,
            self._views(said),
            self._workspaces(said),
            self._provenance(),
            self._reviews(findings, {f.key for f in settled}),
            self._stories(findings, by_key),
            self.k,
            dict(sorted(self.withheld.items())),
            reading=self._reading(),
        )

    def _maps(self) -> dict:
        keys = [k for k in store.map_runs(self.samples) if schema.SHARED_SUFFIX not in k and self._stem(k)]
        out = {k: self._rows_and_values(*store.load_map(self.samples, k)) for k in keys}
        return {k: v for k, v in out.items() if len(v[0])}

    def _vectors(self) -> dict:
        out = {}
        for name in store.vector_fields(self.samples):
            if name.endswith(schema.EMBEDDING_SUFFIX) and self._stem(name) and store.count_values(self.samples, name):
                out[name] = self._rows_and_values(*store.read_vectors(self.samples, name))
        return {k: v for k, v in out.items() if len(v[0])}

    def _rows_and_values(self, ids, values) -> tuple[np.ndarray, np.ndarray]:
        pairs = [(self.row_of[i], n) for n, i in enumerate(ids) if i in self.row_of]
        rows = np.array([r for r, _ in pairs], np.int64)
        return rows, np.asarray(values, np.float32)[[n for _, n in pairs]].reshape(len(rows), -1)

    @staticmethod
    def _stem(name: str) -> bool:
        return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,79}", name)) and "__" not in name

    def _findings(self, settled: tuple[Finding, ...]) -> dict[str, dict]:
        """The findings' table, by key: those whose counts are known, and large enough to be told."""
        out, clusters = {}, read_clusters(self.samples)
        everybody = len(set(store.read_subjects(store.dataset_of(self.samples))))
        for f in settled:
            if f.n_subjects == 0 and f.verdict == "not tested":
                continue
            members = self.members(f.selector.ids(self.samples)) if f.selector.kind in _GROUPS else ()
            if not self._may_leave(f) or f.selector.kind in _GROUPS and not self.allows(members, "findings"):
                continue
            n, sentence = self._rounded(f.n_subjects, everybody), f.sentence
            if f.cluster in clusters and f.kind == "association":
                inside = len({self.subjects[r] for r in members})
                if self._rounded(_inside(f), inside) != _inside(f):
                    n = self.k * (f.n_subjects // self.k)
            if n != f.n_subjects:
                # the sentence says the number, from which few can be had by subtraction
                sentence = _without_counts(f)
            out[f.key] = {
                "key": self.suppress_small_counts(f.key, 300),
                "kind": f.kind,
                "title": self.suppress_small_counts(f.title),
                "sentence": self.suppress_small_counts(sentence),
                "verdict": f.verdict,
                "measure": f.evidence.measure,
                "value": _number(f.evidence.value),
                "interval": [_number(v) for v in f.evidence.interval],
                "q": _number(f.evidence.q),
                "n_subjects": n,
                "status": f.status,
            }
        return out

    def _stories(self, told: dict[str, dict], settled: dict[str, Finding]) -> tuple[StoryRow, ...]:
        whole = {key for key, row in told.items() if row["n_subjects"] == settled[key].n_subjects}
        return tuple(
            StoryRow(
                self.suppress_small_counts(story.key, 300),
                self.suppress_small_counts(story.lead, 300),
                self.suppress_small_counts(words),
                tuple(told[key]["key"] for key in story.findings if key in told),
            )
            for story, words in to_share(self.samples, told, whole)
        )

    def _rounded(self, n: int, total: int) -> int:
        """A number of subjects; down to a multiple of k where fewer than k are left of the total, who lack a value."""
        return self.k * (n // self.k) if 0 < total - n < self.k else n

    def _may_leave(self, f: Finding) -> bool:
        if may_leave(f, self.k):
            return True
        self.uncounted[f.kind] += f.cells is None and f.verdict != "not tested"
        self.withheld["findings"] += 1
        return False

    def _probes(self, settled: dict[str, Finding], told: dict[str, dict]) -> tuple[dict, ...]:
        out = []
        everybody = len(set(store.read_subjects(store.dataset_of(self.samples))))
        for key in store.list_runs(self.samples, schema.PROBE_RUN_PREFIX):
            _, results = store.load_run(self.samples, key)
            for raw in [results["summary"], *results.get("parts", ())]:
                if raw.get("reason") or raw in out:
                    continue
                key = key_of(ProbeResult.from_dict(raw))
                few = raw["n_subjects"] < self.k or not tellable(read_cells(raw.get("cells")), self.k)
                # a part of the cohort is told only where its finding is, which looks at the rest too
                if few or key not in told and (key in settled or raw.get("group")):
                    self.withheld["probes"] += 1
                    continue
                row = {c: raw.get(c) for c in COLUMNS["probes"]}
                row["n_subjects"] = self._rounded(raw["n_subjects"], everybody)
                if row["n_subjects"] != raw["n_subjects"]:
                    row["n_samples"] = self.k * (raw["n_samples"] // self.k)
                finding = settled.get(key)
                row["q"] = _number(finding.evidence.q) if finding is not None else None
                for name in ("adjusted", "holdout"):
                    part = raw.get(name)
                    usable = part and not part.get("reason") and part["n_subjects"] >= self.k
                    row[name] = {c: part.get(c) for c in COLUMNS[name]} if usable else None
                if row["adjusted"]:
                    row["adjusted"]["n_subjects"] = self._rounded(row["adjusted"]["n_subjects"], raw["n_subjects"])
                self._hide_few_wrong(row, raw["n_subjects"])
                if row["holdout"]:
                    self._hide_few_wrong(row["holdout"], row["holdout"]["n_subjects"])
                row["classes"] = [self.suppress_small_counts(v) for v in row["classes"]]
                row["group"] = self.suppress_small_counts(row["group"])
                if row not in out:
                    out.append(row)
        return tuple(out)

    def _hide_few_wrong(self, row: dict, n: int) -> None:
        """Takes out how often a class was told right where that says how many few were not, or were."""
        accuracy = row["accuracy"]
        wrong = [row.get("n_opposite") or 0]
        if accuracy is not None and accuracy == accuracy:
            # an accuracy between two counts may stand for either
            wrong += [int(np.floor(n * (1 - accuracy) + 1e-9)), int(np.floor(n * accuracy + 1e-9))]
            wrong += [1] * (0 < n * (1 - accuracy) < 1) + [1] * (0 < n * accuracy < 1)
        if too_small(wrong, self.k):
            row |= {c: None for c in ("n_opposite", "accuracy", "balanced_accuracy") if c in row}

    def _associations(self, told: dict[str, Finding]) -> tuple[dict, ...]:
        """The table: rows whose findings are told."""
        if schema.ASSOCIATION_RUN not in store.list_runs(self.samples, schema.ASSOCIATION_RUN):
            return ()
        clusters, out = read_clusters(self.samples), []
        for raw in store.load_run(self.samples, schema.ASSOCIATION_RUN)[1]["tests"]["rows"]:
            if raw["cluster"] not in clusters or raw["verdict"] == "not tested":
                continue
            finding = told.get(f"association:{raw['cluster']}:{raw['field']}")
            if finding is None:
                self.withheld["associations"] += 1
                continue
            within = _number(finding.evidence.q_within) if raw.get("p_within") is not None else None
            inside = len({self.subjects[r] for r in self.members(clusters[raw["cluster"]].members)})
            outside = len(set(self.subjects)) - inside
            out.append(
                {
                    **{c: raw.get(c) for c in COLUMNS["associations"]},
                    "n_inside": self._rounded(raw["n_inside"], inside),
                    "n_outside": self._rounded(raw["n_outside"], outside),
                    "verdict": finding.verdict,
                    "q": _number(finding.evidence.q),
                    "q_within": within,
                    "cluster": self.suppress_small_counts(raw["cluster"], 120),
                    "words": self.suppress_small_counts(raw["words"]),
                }
            )
        return tuple(out)

    def _clusters(self) -> tuple[Group, ...]:
        out = []
        for cluster in read_clusters(self.samples).values():
            rows = self.members(cluster.members)
            if not self.allows(rows, "clusters"):
                continue
            drawn = cluster.map_key if cluster.map_key in store.map_runs(self.samples) else ""
            out.append(
                Group(
                    self.suppress_small_counts(cluster.name, 60),
                    rows,
                    self._note(cluster.note),
                    _hex(cluster.color),
                    cluster.origin,
                    cluster.proposed,
                    self._author(cluster.author),
                    drawn if self._stem(drawn or "x") else "",
                    cluster.polygon if drawn else (),
                    cluster.coloured_by if _is_field(cluster.coloured_by) else "unknown",
                    _number(cluster.stability),
                    _date(cluster.created),
                )
            )
        return _named(out)

    def _views(self, findings: dict[str, str]) -> tuple[Group, ...]:
        out, ours = [], {f"cluster: {n}" for n in read_clusters(self.samples)}
        for name, info in store.saved_views(self.samples).items():
            if name in ours:
                continue
            try:
                rows = self.members(store.saved_view_ids(self.samples, name))
            except Exception:  # a view of a field that is gone raises whatever its stages raise
                self.broken.append(name)
                continue
            about = self._about(name, info.get("description"), findings, "views")
            if about is not None and self.allows(rows, "views"):
                out.append(Group(self.suppress_small_counts(name, 120), rows, about, _hex(info.get("color"))))
        return _named(out)

    def _about(self, name: str, description: str, findings: dict[str, str], what: str) -> str | None:
        """Description of a view or workspace; ``None`` if it is that of a finding that is withheld."""
        for key, entry in (store.read_info(self.samples).get(KEPT) or {}).items():
            if name in entry.values():
                if key not in findings:
                    self.withheld[what] += 1
                    return None
                return findings[key]
        return self._note(description)

    def _workspaces(self, findings: dict[str, str]) -> tuple[Workspace, ...]:
        maps, out = store.map_runs(self.samples), []
        dataset = store.dataset_of(self.samples).name
        for layout in store.workspace_layouts(self.samples):
            own = layout["map_key"] in maps and schema.SHARED_SUFFIX not in layout["map_key"]
            about = self._about(layout["name"], layout["description"], findings, "workspaces")
            if about is None:
                continue
            # the dataset's name keeps workspaces apart here; it is another one there, and may say too much
            name = layout["name"].removeprefix(f"{dataset}: ")
            color_by = layout["color_by"] if _is_field(layout["color_by"]) else ""
            out.append(
                Workspace(
                    self.suppress_small_counts(name, 120),
                    about,
                    _hex(layout["color"]),
                    layout["map_key"] if own else "",
                    color_by,
                )
            )
        return _named(out)

    def _provenance(self) -> dict[str, dict]:
        out = {}
        for key in store.list_runs(self.samples):
            if key.endswith(schema.PROVENANCE_SUFFIX) and self._stem(key):
                config, _ = store.load_run(self.samples, key)
                facts = {n: config[n] for n in PROVENANCE if n in config}
                out[key.removesuffix(schema.PROVENANCE_SUFFIX)] = {**facts, "created": _date(facts.get("created", ""))}
        return out

    def _reviews(self, told: dict[str, dict], known: set[str]) -> tuple[Said, ...]:
        """What was said of findings that are told, or came with a bundle; of samples where enough heard the same."""
        out = []
        for r in read_reviews(self.samples):
            rows = self.members(dict.fromkeys(r.sample_ids))
            if r.finding not in told and (r.finding in known or not r.origin):
                self.withheld["reviews"] += 1
                continue
            if rows and not big_enough(rows, self.subjects, self.k):
                self.withheld["reviews"] += 1
                continue
            key = self.suppress_small_counts(r.finding, 300)
            out.append(Said(key, r.status, self._note(r.note), self._author(r.author), _date(r.date), rows))
        if store.has_field(self.samples, schema.REVIEW_FIELD):
            labels = store.read_labels(self.samples, schema.REVIEW_FIELD, ("label", "author", "date", "note"))
            same: dict[tuple, list[int]] = {}
            for i, said in labels.items():
                if i in self.row_of and said[0] in ("reviewed", "confirmed", "refuted"):
                    same.setdefault(tuple(said), []).append(self.row_of[i])
            for (status, author, date, note), rows in same.items():
                if not big_enough(rows, self.subjects, self.k):
                    self.withheld["reviews of samples"] += len(rows)
                    continue
                said = status, self._note(note), self._author(author), _date(date)
                out += [Said("", *said, (row,)) for row in rows]
        return tuple(out)

    def _note(self, text) -> str:
        return suppress_small_counts(str(text or ""), self.k, self.words_of_people) if self.notes else ""

    def _author(self, text) -> str:
        return self.suppress_small_counts(text, 100) if self.notes else ""

    def _reading(self) -> dict:
        info = store.read_info(self.samples)
        return {"to_grey": bool(info.get("to_grey", True)), "plane": info.get("plane"), "spacing": info.get("spacing")}


def _named(groups: list) -> tuple:
    """With a name each; names that became equal get a number."""
    seen: Counter[str] = Counter()
    out = []
    for g in groups:
        name = g.name.lstrip("$").strip() or "unnamed"
        seen[name] += 1
        out.append(replace(g, name=name if seen[name] == 1 else f"{name[:110]} ({seen[name]})"))
    return tuple(out)


def _inside(finding: Finding) -> int:
    """Subjects of a group of whom a value is known; a subject of several values counts once a value."""
    return sum(inside for inside, _ in finding.cells.values())


def _without_counts(finding: Finding) -> str:
    """The finding from its facts, without anybody's number."""
    e = finding.evidence
    low, high = e.interval
    interval = f" (95 % interval {number(low)} to {number(high)})" if low == low else ""
    return f"{finding.title}: {finding.verdict}; {e.measure} {number(e.value)}{interval}, q {p_value(e.q)}."


def _is_field(name: str) -> bool:
    try:
        return bool(checked.field(name, ""))
    except BundleError:
        return False


def _number(value) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _date(text) -> str:
    return str(text) if _DATE.fullmatch(str(text or "")) else ""


def _hex(color) -> str:
    """Any CSS colour as #rrggbb; "" for none."""
    from matplotlib.colors import to_hex

    try:
        return to_hex(color) if color else ""
    except ValueError:
        return ""
