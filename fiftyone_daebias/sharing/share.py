"""The verbs ``share`` and ``import-shared``."""

from __future__ import annotations

import datetime
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from .. import store
from ..errors import BundleError, InputError
from ..findings.formatting import count
from ..parameters import Advanced, Label, OutFile, PickedFile
from ..progress import Progress, listening
from . import merge
from .archive import read_archive, write_archive
from .collect import Collector
from .content import content_hashes, subject_keys
from .contents import Contents, from_members, to_members
from .handover import FindingView, hand_over
from .matching import match
from .risk import measure, sentences, to_share
from .signing import Signer, check_signer, read_key, signed, take_signature

#: findings whose links are printed
MOST_SHOWN = 20
#: verdicts of findings that need not be repeated to who imports them
_QUIET = ("not found", "not tested", "expected")


@dataclass(frozen=True)
class Shared:
    """What was handed on.

    Attributes:
        dataset: name of the dataset
        views: view, workspace and link of each finding
        bundle: path of the bundle, "" if none was written
        bundle_id: hash of its content
        n_bytes: its size
        n_samples: samples in it
        n_subjects: subjects in it
        counts: ``{what: how many went along}``
        withheld: ``{what: how many were withheld}`` because fewer than k subjects are in them or left out of them
        k: the smallest group
        vectors: whether vectors went along
        identity: whether file names and subject ids went along
        notes: whether notes and authors went along
        risk: what the shared coordinates or vectors tell, in words
        risk_rows: the numbers behind it
        remarks: what to bear in mind
        signer: whose key signed the bundle, "" if none
    """

    dataset: str
    views: tuple[FindingView, ...] = ()
    bundle: str = ""
    bundle_id: str = ""
    n_bytes: int = 0
    n_samples: int = 0
    n_subjects: int = 0
    counts: dict[str, int] | None = None
    withheld: dict[str, int] | None = None
    k: int = 0
    vectors: bool = False
    identity: bool = False
    notes: bool = False
    risk: tuple[str, ...] = ()
    risk_rows: tuple[dict, ...] = ()
    remarks: tuple[str, ...] = ()
    signer: str = ""

    def to_dict(self) -> dict:
        raw = {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}
        return {**raw, "views": [dict(v.__dict__) for v in self.views]}

    def __str__(self) -> str:
        lines = []
        for v in self.views[:MOST_SHOWN]:
            lines.append(f"{v.finding}: " + (f"view {v.view!r}, " if v.view else "") + f"workspace {v.workspace!r}")
            lines.append(f"  {v.link}")
        if len(self.views) > MOST_SHOWN:
            rest = len(self.views) - MOST_SHOWN
            lines.append(f"and {rest:,} more findings, each with a workspace; the App lists them")
        if not self.views:
            lines.append("no findings yet, so no view or workspace was saved; run 'daebias audit' or its steps first")
        if self.bundle:
            went = ", ".join(f"{n:,} {w}" for w, n in (self.counts or {}).items() if n)
            lines.append(
                f"bundle {self.bundle} ({self.n_bytes / 1e6:.2f} MB, id {self.bundle_id}): {self.n_samples:,} samples "
                f"of {self.n_subjects:,} subjects" + (f"; {went}" if went else "")
            )
            lines.append(
                "; ".join(
                    (
                        "in it: vectors and map coordinates" if self.vectors else "in it: map coordinates, no vectors",
                        "no pixels",
                        "FILE NAMES AND SUBJECT IDS" if self.identity else "no file names, no subject ids",
                        "notes and authors" if self.notes else "no notes, no authors",
                    )
                )
            )
            lines.append(self.signer or "unsigned: who gets it cannot see whose it is (--sign KEYFILE)")
            if self.withheld:
                lines.append(
                    f"withheld (fewer than {self.k} subjects inside or outside): "
                    + ", ".join(f"{n:,} {w}" for w, n in self.withheld.items())
                )
            lines += [f"risk: {r}" for r in self.risk]
        return "\n".join([*lines, *(f"note: {r}" for r in self.remarks)])


@dataclass(frozen=True)
class Imported:
    """What came of a bundle.

    Attributes:
        bundle_id: the bundle
        run_key: run with its tables
        n_bundle: samples in the bundle
        n_here: samples here
        n_matched: samples here that are in the bundle
        by_pixels: those whose files differ but whose pixels are the same
        not_here: samples of the bundle that are not here
        not_in_bundle: samples here that are not in the bundle
        added: ``{what: names here}``
        n_reviews: reviews that were new
        again: whether this bundle had been imported before
        findings: what the sender found, the strongest first: ``(verdict, sentence)``
        stories: the sender's stories, a line each
        remarks: what did not match, and why
        signer: whose key signed it, or "unsigned"
    """

    bundle_id: str
    run_key: str
    n_bundle: int
    n_here: int
    n_matched: int
    by_pixels: int
    not_here: int
    not_in_bundle: int
    added: dict[str, tuple[str, ...]]
    n_reviews: int
    again: bool
    findings: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    signer: str = "unsigned"
    stories: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        raw = {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}
        return {**raw, "added": {k: list(v) for k, v in self.added.items()}, "findings": list(map(list, self.findings))}

    def __str__(self) -> str:
        lines = [
            f"bundle {self.bundle_id}: {self.n_matched:,} of {self.n_here:,} samples here are in it "
            f"({self.n_bundle:,} samples)" + (f", {self.by_pixels:,} by their pixels alone" if self.by_pixels else ""),
            self.signer if self.signer != "unsigned" else "unsigned: nothing shows who wrote it",
        ]
        if self.not_here:
            lines.append(f"not here: {self.not_here:,} samples of the bundle")
        if self.not_in_bundle:
            lines.append(f"not in the bundle: {self.not_in_bundle:,} samples here")
        for what, names in self.added.items():
            if names:
                shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
                lines.append(f"{what}: {shown}")
        if self.again and not any(self.added.values()) and not self.n_reviews:
            lines.append("it had been imported before; nothing changed")
        if self.n_reviews:
            lines.append(f"{count(self.n_reviews, 'review')} added")
        lines += [f"the sender's story: {line}" for line in self.stories[:5]]
        lines += [f"the sender's finding, {verdict}: {sentence}" for verdict, sentence in self.findings[:5]]
        lines.append(f"its tables and provenance: run {self.run_key!r}")
        return "\n".join([*lines, *(f"note: {r}" for r in self.remarks)])


def share(
    samples,
    out: OutFile | None = None,
    *,
    findings: list[str] | None = None,
    with_vectors: Annotated[bool, Label("Share the vectors")] = False,
    with_notes: Annotated[bool, Label("Share notes and authors")] = True,
    with_identity: Annotated[bool, Label("Share identities")] = False,
    min_subjects: Annotated[int, Label("Smallest group (subjects)")] = 5,
    secret: Annotated[str, Advanced] | None = None,
    sign: Annotated[Path, Advanced] | None = None,
    url: Annotated[str, Label("Address of the App")] = "http://localhost:5151",
    progress: Progress | None = None,
) -> Shared:
    """Saves a view and a workspace for findings, with links, and writes a bundle for teammates elsewhere.

    The bundle (a zip of JSON and safetensors) holds map coordinates, findings,
    probes, clusters, saved views, workspaces, provenance and reviews. It holds
    no pixels, and no file name or subject id unless asked. A teammate's own
    copy of the images is matched by hashes of their content. Groups of fewer
    subjects than min_subjects, and those that leave fewer out, are withheld.

    Args:
        samples: a dataset or view; the bundle holds the samples of the view
        out: zip file to write; default: none, only views and workspaces for teammates on this database
        findings: keys of the findings that get a view and a workspace, as "probe:sex"; default: the first five
        with_vectors: put the vectors themselves in, not only the map's coordinates; they tell more of a person, see
            the risk that is printed
        with_notes: put notes and authors of clusters and reviews in; subject ids and file names in them are withheld
        with_identity: put file names and subject ids in
        min_subjects: fewest subjects in anything that is shared
        secret: a sentence of at least 12 characters agreed on with the teammate: subjects are then compared too
        sign: file with your signing key, made by "daebias signing-key": importing shows whose bundle it is
        url: where teammates on this database open the App

    Returns:
        links, what went along, what was withheld, and the measured re-identification risk

    Raises:
        InputError: too few subjects, no image left to match by, or a file that cannot be written
    """
    store.ensure_samples(samples)
    k = min_subjects
    if k < 2:
        raise InputError(f"min_subjects: the smallest group that is shared has at least 2 subjects; got {k}")
    if not re.fullmatch(r"https?://[\w.\-:\[\]]+(/[\w./\-]*)?", url):
        raise InputError(f"url must look like http://localhost:5151; got {url!r}")
    key = None if sign is None else read_key(sign)  # before the work
    views = hand_over(samples, url, progress, findings)
    name = store.dataset_of(samples).name
    if out is None:
        return Shared(name, views)
    out = Path(out).expanduser()
    found = Collector(
        samples, k=k, vectors=with_vectors, identity=with_identity, notes=with_notes, secret=secret, progress=progress
    )
    contents = found.contents()
    arrays = {
        n: ([found.ids[r] for r in rows], values) for n, (rows, values) in {**contents.maps, **contents.vectors}.items()
    }
    risk = measure(samples, arrays, k, progress=progress)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    contents = replace(contents, risk=to_share(risk), software=store.versions(), created=now)
    members = to_members(contents)
    try:
        checked = from_members(members)
    except BundleError as error:
        raise InputError(f"something on this dataset cannot be shared: {error}") from error
    remarks = []
    if found.without_content:
        remarks.append(f"{found.without_content:,} samples were left out: their images cannot be read any more")
    if found.broken:
        remarks.append(f"saved views that do not open any more were left out: {', '.join(found.broken[:5])}")
    if found.uncounted.total():
        kinds, n = ", ".join(kind for kind, n in found.uncounted.items() if n), found.uncounted.total()
        remarks.append(
            f"of {count(n, 'finding')} ({kinds}) it is not stored how many subjects are behind each number; they stay "
            "here; a run made anew stores it"
        )
    if with_vectors and not contents.vectors:
        remarks.append("there are no vectors to put in; run 'daebias embed' first")
    if not contents.maps:
        remarks.append("there is no map to put in; run 'daebias embed' first")
    if with_notes and (contents.reviews or any(g.description for g in contents.clusters)):
        remarks.append(
            "notes are free text: ids and file names in them were withheld, a name written out was not; "
            "with_notes=False leaves them here"
        )
    signer = None
    if key is not None:
        members, signer = signed(members, key)
    n_bytes = write_archive(out, members)
    counts = {
        "findings": len(contents.findings),
        "probes": len(contents.probes),
        "clusters": len(contents.clusters),
        "views": len(contents.views),
        "workspaces": len(contents.workspaces),
        "reviews": len(contents.reviews),
        "stories": len(contents.stories),
    }
    return Shared(
        name,
        views,
        str(out),
        checked.id,
        n_bytes,
        len(contents.rows),
        len({r.subject for r in contents.rows}),
        counts,
        dict(contents.withheld),
        k,
        bool(contents.vectors),
        with_identity,
        with_notes,
        tuple(sentences(risk, list(arrays))),
        risk,
        tuple(remarks),
        str(signer or ""),
    )


def import_shared(
    samples,
    bundle: PickedFile,
    *,
    secret: Annotated[str, Advanced] | None = None,
    signed_by: Annotated[str, Advanced] | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Brings a teammate's bundle to one's own copy of the images.

    Everything in the bundle is checked before the first write; a bundle that
    is damaged, of a newer version or tries anything is refused. Nothing here
    is overwritten: what has a name that is taken gets another, reviews are
    added. Importing a bundle again changes nothing, or brings what samples
    registered since are in it.

    Args:
        samples: a dataset or view; samples are matched by content, wherever their files lie
        bundle: zip file that "share" wrote
        secret: the sentence agreed on with the sender, if there is one
        signed_by: fingerprint of the sender's key; a bundle that is unsigned or signed with another is refused

    Returns:
        what matched, what did not, and the names under which things were added

    Raises:
        BundleError: the bundle is damaged, hostile, newer than this package, or has none of these samples
        InputError: there is no such file
    """
    store.ensure_samples(samples)
    told = listening(progress)
    members, signer = take_signature(read_archive(Path(bundle).expanduser()))
    check_signer(signer, signed_by)
    contents = from_members(members)
    dataset = store.dataset_of(samples)
    ids, subjects = store.sample_ids(samples), store.read_subjects(samples)
    key_of = subject_keys(secret)
    found = match(contents.rows, ids, content_hashes(samples, progress), subjects, [key_of(s) for s in subjects])
    remarks = _remarks(samples, contents, found)
    if not found.row_of:
        raise BundleError(
            f"none of the {len(ids):,} samples of dataset {dataset.name!r} are among the {len(contents.rows):,} of the "
            "bundle; nothing was imported" + "".join(f"; {r}" for r in remarks)
        )
    key = merge.shared_key(contents.id)
    before: dict = {}
    if key in store.list_runs(dataset, key):
        config, results = store.load_run(dataset, key)
        if config.get("bundle") != contents.id:
            raise BundleError(f"another bundle has left run {key!r} here; delete that run first; nothing was imported")
        before = {"names": config["names"], "samples": set(results["sample_ids"])}
    # samples of earlier imports that are outside this view keep what they got
    todo = merge.plan(dataset, contents, found, before.get("names", {}))
    again = bool(before)
    grown = not again or set(found.row_of) - before["samples"]
    if not grown:
        todo = replace(todo, clusters=[], views={}, workspaces={}, labels={})
        if todo.reviews:
            merge.add_reviews(dataset, todo.reviews)
        return _imported(contents, found, ids, {}, len(todo.reviews), True, remarks, signer)
    if again:
        n_more = len(set(found.row_of) - before["samples"])
        told.say(f"the bundle was imported before; {n_more:,} more samples match now")
        found = replace(found, row_of=_with_earlier(dataset, found.row_of, results))
        todo = merge.plan(dataset, contents, found, before["names"])
    config = {
        "bundle": contents.id,
        "created_by_sender": contents.created,
        "software": contents.software,
        "k": contents.k,
        "n_samples": len(contents.rows),
        "n_matched": len(found.row_of),
        "names": todo.names,
        "signer": str(signer or "unsigned"),
        "reading": contents.reading,
    }
    stored = {
        "sample_ids": list(found.row_of),
        "rows": list(found.row_of.values()),
        "findings": list(contents.findings),
        "probes": list(contents.probes),
        "associations": list(contents.associations),
        "stories": [asdict(s) for s in contents.stories],
        "risk": list(contents.risk),
        "provenance": contents.provenance,
        "withheld": contents.withheld,
        "other_reviews": todo.kept_labels,
    }
    n_reviews = merge.write(dataset, contents, found, todo, config, stored, progress)
    if todo.kept_labels:
        remarks.append(f"{len(todo.kept_labels):,} samples have a review here already; the sender's is in run {key!r}")
    added = {
        "maps": tuple(merge.shared_name(n, contents.id) for n in contents.maps),
        "vectors": tuple(merge.shared_name(n, contents.id) for n in contents.vectors),
        "clusters": tuple(c.name for c in todo.clusters),
        "views": tuple(todo.views),
        "workspaces": tuple(todo.workspaces),
    }
    return _imported(contents, found, ids, added, n_reviews, again, [*remarks, *todo.notes], signer)


def _imported(contents, found, ids, added, n_reviews, again, remarks, signer: Signer | None) -> Imported:
    mine = set(ids)
    return Imported(
        contents.id,
        merge.shared_key(contents.id),
        len(contents.rows),
        len(ids),
        len(mine & set(found.row_of)),
        found.by_pixels,
        len(found.lost),
        len(found.new),
        added,
        n_reviews,
        again,
        tuple((f["verdict"], f["sentence"]) for f in contents.findings if f["verdict"] not in _QUIET),
        tuple(remarks),
        str(signer or "unsigned"),
        tuple(s.headline for s in contents.stories),
    )


def _with_earlier(dataset, row_of: dict[str, int], results: dict) -> dict[str, int]:
    here = set(store.sample_ids(dataset))
    earlier = {i: int(r) for i, r in zip(results["sample_ids"], results["rows"], strict=True) if i in here}
    return {**earlier, **row_of}


def _remarks(samples, contents: Contents, found) -> list[str]:
    out = []
    to_grey = bool(store.read_info(samples).get("to_grey", True))
    if found.lost and contents.reading.get("to_grey", to_grey) != to_grey:
        out.append(
            f"the sender registered with to_grey={contents.reading['to_grey']}, here it is {to_grey}; register "
            "again with the sender's setting and more will match"
        )
    elif found.lost:
        for name in ("plane", "spacing"):
            theirs, mine = contents.reading.get(name), store.read_info(samples).get(name)
            if theirs != mine:
                out.append(
                    f"the sender registered with {name}={theirs}, here it is {mine}; register again with the "
                    "sender's setting and more may match"
                )
    named = [contents.rows[r].file for r in found.lost if contents.rows[r].file]
    if named:
        out.append(f"not here: {', '.join(named[:5])}" + (f" and {len(named) - 5:,} more" if len(named) > 5 else ""))
    if found.known_subjects:
        out.append(
            f"{count(found.known_subjects, 'sample')} not here, of subjects who are here: their images differ "
            "in content, or were registered with other settings"
        )
    if found.other_subjects:
        out.append(f"{count(found.other_subjects, 'image')} of another subject here than in the bundle")
    if found.regrouped:
        out.append(
            f"{count(found.regrouped, 'subject')} of the bundle grouped otherwise here: its intervals and "
            "p-values count subjects as the sender does"
        )
    return out
