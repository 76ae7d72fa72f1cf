"""What people say of findings and samples: kept with author, date and note, and never overwritten."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from .. import schema, store
from ..errors import InputError
from ..parameters import Advanced, FindingKey, Label
from ..progress import Progress

STATUSES = ("reviewed", "confirmed", "refuted")
LONGEST_NOTE = 4000


@dataclass(frozen=True)
class Review:
    """What somebody said of a finding.

    Attributes:
        finding: key of the finding
        status: "reviewed", "confirmed" or "refuted"
        note: free text
        author: who said it
        date: ISO time
        origin: "" when said on this dataset, else the bundle it came with
        sample_ids: the samples it was said of; empty when of the finding as a whole
    """

    finding: str
    status: str
    note: str = ""
    author: str = ""
    date: str = ""
    origin: str = ""
    sample_ids: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        return {**asdict(self), "sample_ids": list(self.sample_ids)}

    @classmethod
    def from_dict(cls, raw: dict) -> Review:
        """Reads what :meth:`to_dict` wrote.

        Raises:
            InputError: it is not a review
        """
        if not isinstance(raw, dict) or raw.get("status") not in STATUSES or not raw.get("finding"):
            raise InputError(
                f"not a review: a finding and a status ({', '.join(STATUSES)}) are needed; got {str(raw)[:200]}"
            )
        values = {k: str(raw.get(k) or "") for k in ("finding", "status", "note", "author", "date", "origin")}
        return cls(**values, sample_ids=tuple(map(str, raw.get("sample_ids") or ())))

    @property
    def digest(self) -> str:
        """Names the entry by what was said, by whom and when, not by the copy of the cohort it was said on."""
        said = [self.finding, self.status, self.note, self.author, self.date, len(self.sample_ids)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        who = f" by {self.author}" if self.author else ""
        of = f", of {len(self.sample_ids):,} samples" if self.sample_ids else ""
        return f"{self.status}{who}, {self.date[:10]}{of}" + (f": {self.note}" if self.note else "")


@dataclass(frozen=True)
class ReviewResult:
    """A finding's reviews after one was added."""

    finding: str
    title: str
    reviews: tuple[Review, ...]
    n_marked: int = 0

    def to_dict(self) -> dict:
        return {
            "finding": self.finding,
            "title": self.title,
            "reviews": [r.to_dict() for r in self.reviews],
            "n_marked": self.n_marked,
        }

    def __str__(self) -> str:
        lines = [f"{self.finding}: {self.title}", *(f"  {r}" for r in self.reviews)]
        if self.n_marked:
            lines.append(f"{self.n_marked:,} samples marked in {schema.REVIEW_FIELD!r}")
        return "\n".join(lines)


def review(
    samples,
    finding: FindingKey,
    *,
    status: Annotated[Literal["reviewed", "confirmed", "refuted"], Label("What you think of it")] = "reviewed",
    note: str = "",
    author: Annotated[str, Advanced] | None = None,
    mark_samples: Annotated[bool, Label("Also mark its samples")] = False,
    progress: Progress | None = None,
) -> ReviewResult:
    """Says of a finding, and of its samples if asked, that it was reviewed, confirmed or refuted.

    Every entry is kept with author, date and note; the latest is the
    finding's status. On a view, only the finding's samples in the view are
    marked.

    Args:
        samples: a dataset or view
        finding: key of the finding, as the findings' table, the report and the panel give it
        status: "reviewed" (looked at), "confirmed" (it is so) or "refuted" (it is not)
        note: why; free text
        author: who says so; default: the user's login name
        mark_samples: whether to write it on the finding's samples too, in the field "daebias_review"

    Returns:
        everything said of the finding

    Raises:
        InputError: there is no such finding or status, or the note is too long
    """
    from .collect import collect_findings

    if status not in STATUSES:
        raise InputError(f"status must be one of {', '.join(STATUSES)}; got {status!r}")
    if len(note) > LONGEST_NOTE:
        raise InputError(f"note may have {LONGEST_NOTE:,} characters; got {len(note):,}")
    about = collect_findings(samples).by_key(finding)
    author = author_here() if author is None else str(author)
    date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    ids: list[str] = []
    if mark_samples:
        here = set(store.sample_ids(samples))
        ids = [i for i in about.selector.ids(samples) if i in here]
        store.write_reviews(samples, schema.REVIEW_FIELD, ids, status, author, date, note)
    add_reviews(samples, [Review(finding, status, note, author, date, "", tuple(ids))])
    said = tuple(r for r in read_reviews(samples) if r.finding == finding)
    return ReviewResult(finding, about.title, said, len(ids))


def author_here() -> str:
    """The user's login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def add_reviews(samples, reviews: Iterable[Review]) -> int:
    """Adds entries; one that is there already stays as it is. Returns how many were new."""
    known = set(store.list_runs(samples, schema.FINDING_REVIEW_RUN))
    new = 0
    for entry in reviews:
        # a run an entry: two people who write at the same moment lose nothing
        key = f"{schema.FINDING_REVIEW_RUN}_{entry.digest}"
        if key not in known:
            known.add(key)
            raw = entry.to_dict()
            ids = raw.pop("sample_ids")
            store.save_run(samples, key, {"entry": raw}, {"sample_ids": ids})
            new += 1
    return new


def read_reviews(samples) -> tuple[Review, ...]:
    """Everything said of the dataset's findings, oldest first."""
    out = []
    for key in store.list_runs(samples, schema.FINDING_REVIEW_RUN):
        config, results = store.load_run(samples, key)
        out.append(Review.from_dict({**config["entry"], "sample_ids": results.get("sample_ids", ())}))
    return tuple(sorted(out, key=lambda r: (r.date, r.digest)))
