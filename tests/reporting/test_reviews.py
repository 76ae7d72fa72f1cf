"""What people say of findings: kept, merged, never overwritten."""

import fiftyone as fo
import pytest

from fiftyone_daebias import schema, store
from fiftyone_daebias.cli import main
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.findings.collect import collect_findings
from fiftyone_daebias.findings.review import Review, add_reviews, read_reviews


@pytest.fixture
def tagged(cohort_maker, dataset_name):
    dataset = cohort_maker(dataset_name, n_subjects=12)
    dataset.limit(5).tag_samples(schema.TAG_DUPLICATE)
    return dataset


def test_every_entry_is_kept_and_the_latest_is_the_status(tagged):
    tagged.daebias.review(
        "duplicates", status="confirmed", note="<script>alert(1)</script>\nseen", author="Ana", progress=None
    )
    out = tagged.daebias.review(
        "duplicates", status="refuted", note="sent twice on purpose", author="Bo", progress=None
    )
    assert [(r.status, r.author) for r in out.reviews] == [("confirmed", "Ana"), ("refuted", "Bo")]
    again = collect_findings(fo.load_dataset(tagged.name)).by_key("duplicates")
    assert again.status == "refuted" and again.reviews[0].note == "<script>alert(1)</script>\nseen"
    assert all(r.date.endswith("+00:00") for r in again.reviews) and "refuted by Bo" in str(out)


def test_samples_are_marked_only_when_asked_and_only_in_the_view(tagged):
    tagged.daebias.review("duplicates", author="Ana", progress=None)
    assert not tagged.has_field(schema.REVIEW_FIELD)
    view = tagged.limit(2)
    out = view.daebias.review(
        "duplicates", status="confirmed", author="Ana", note="n", mark_samples=True, progress=None
    )
    marked = [r for r in tagged.values(schema.REVIEW_FIELD) if r is not None]
    assert out.n_marked == len(marked) == 2 and {(r.label, r.author, r.note) for r in marked} == {
        ("confirmed", "Ana", "n")
    }
    assert read_reviews(tagged)[-1].sample_ids == tuple(store.sample_ids(view))


def test_imported_entries_are_merged_and_nothing_is_overwritten(tagged):
    tagged.daebias.review("duplicates", status="confirmed", author="Ana", progress=None)
    mine = read_reviews(tagged)
    theirs = Review("duplicates", "refuted", "no", "Cy", "2020-01-01T00:00:00.000+00:00", "bundle-1")
    assert add_reviews(tagged, [theirs, *mine]) == 1 and add_reviews(tagged, [theirs, *mine]) == 0
    entries = collect_findings(tagged).by_key("duplicates").reviews
    assert [(r.author, r.origin) for r in entries] == [("Cy", "bundle-1"), ("Ana", "")]  # oldest first
    gone = Review("probe:gone", "reviewed", "", "Cy", "2020-01-01T00:00:00.000+00:00")
    add_reviews(tagged, [gone])
    assert "probe:gone" in collect_findings(tagged).notes[0]


@pytest.mark.parametrize("raw", [{}, {"finding": "x", "status": "deleted"}, [], {"status": "reviewed"}])
def test_what_is_no_review_is_refused(raw):
    with pytest.raises(InputError, match="not a review"):
        Review.from_dict(raw)


def test_bad_input_is_one_line(tagged, capsys):
    with pytest.raises(InputError, match="status must be one of"):
        tagged.daebias.review("duplicates", status="fine", progress=None)
    with pytest.raises(InputError, match="4,000 characters"):
        tagged.daebias.review("duplicates", note="x" * 5000, progress=None)
    assert main(["review", tagged.name, "duplicate"]) == 2
    assert "there is no finding 'duplicate'; the nearest: duplicates" in capsys.readouterr().err
    assert main(["review", tagged.name, "duplicates", "--status", "confirmed", "--author", "Ana", "--quiet"]) == 0
