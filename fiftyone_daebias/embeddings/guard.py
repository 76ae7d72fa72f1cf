"""How an embedding stands beside principal components on the cohort at hand, so that no user gets less than those."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from .. import schema, store
from ..errors import InputError
from ..parallel import each
from .reading import Question, draws_of, interval, predictions, score

#: subjects and samples that are looked at, fields that are asked, and bootstrap draws: it is to cost seconds
MOST_SUBJECTS, MOST_SAMPLES, MOST_FIELDS, DRAWS = 500, 600, 5, 500
#: fewer subjects cannot tell two embeddings apart
LEAST_SUBJECTS = 60
#: a loss that counts: area under the curve, share of the error
MARGIN = {"AUC": 0.01, "MAE": 0.02}
SCALINGS = ("own", "common", "evened")


@dataclass(frozen=True)
class Beside:
    """One field, read from both embeddings.

    Attributes:
        field: its name
        measure: "AUC" (mean of one class against the rest) or "MAE"
        subjects: subjects that were asked
        score: of the embedding
        pca: of principal components
        gain: by which the embedding is better: of an AUC, or of the error as a share of PCA's
        interval: 95 % subject-bootstrap interval of the gain
    """

    field: str
    measure: str
    subjects: int
    score: float
    pca: float
    gain: float
    interval: tuple[float, float]

    @property
    def worse(self) -> bool:
        return self.interval[1] < 0 and self.gain < -MARGIN[self.measure]

    def __str__(self) -> str:
        low, high = self.interval
        if self.measure == "AUC":
            told = f"AUC {self.score:.3f} against {self.pca:.3f}, {100 * low:+.1f} to {100 * high:+.1f} points"
        else:
            told = f"error {self.score:.3g} against {self.pca:.3g}, {-100 * high:+.1f} to {-100 * low:+.1f} %"
        return f"{self.field} ({told})"


@dataclass(frozen=True)
class Guard:
    """The comparison.

    Attributes:
        rows: fields of which either embedding knows something
        reason: why there is nothing to compare, or ""
        pca_stored: whether PCA's vectors were stored as well, because the embedding lost
    """

    rows: tuple[Beside, ...]
    reason: str = ""
    pca_stored: bool = False

    @property
    def worse(self) -> tuple[Beside, ...]:
        """Fields in which the embedding loses."""
        return tuple(r for r in self.rows if r.worse)

    def to_dict(self) -> dict:
        rows = [{**asdict(r), "interval": list(r.interval), "worse": r.worse} for r in self.rows]
        return {"rows": rows, "reason": self.reason, "pca_stored": self.pca_stored, "line": str(self)}

    def __str__(self) -> str:
        if self.reason:
            return f"not compared with PCA: {self.reason}"
        parts = []
        for word, rows in (
            ("worse in", self.worse),
            ("better in", [r for r in self.rows if r.interval[0] > 0]),
            ("not told apart in", [r for r in self.rows if not r.worse and r.interval[0] <= 0]),
        ):
            if rows:
                parts.append(f"{word} {', '.join(map(str, rows))}")
        line = f"beside PCA, {max(r.subjects for r in self.rows)} subjects: {'; '.join(parts)}"
        if self.pca_stored:
            line += f"; PCA's vectors are stored as well, in {schema.embedding_field('pca')!r}: probe both together"
        return line


def beside_pca(
    vectors: np.ndarray, pca: np.ndarray, n_slices: int, questions: list[Question], subjects: list[str], seed: int = 51
) -> Guard:
    """Reads fields from both embeddings of the same rows.

    Args:
        vectors: (n, n_slices · z)
        pca: principal components of the same slices (n, n_slices · k)
        n_slices: codes that each vector joins
        questions: fields; of those of which neither knows anything nothing is said
        subjects: subject of each row
        seed: seed of the folds
    """

    def beside(question: Question) -> Beside | None:
        draws = draws_of(question, subjects, DRAWS)
        answers = [
            predictions(m, n_slices, question, subjects, seed, repeats=1, which=SCALINGS)[0] for m in (vectors, pca)
        ]
        mine, theirs = (score(question, a, draws) for a in answers)
        if question.classes:
            known = max(interval(mine)[1], interval(theirs)[1]) > 0.5
            gain = mine - theirs
        else:
            dull = score(question, np.full((len(question.rows), 1), np.median(question.values)), draws)
            known = max(interval(dull - mine)[1], interval(dull - theirs)[1]) > 0
            gain = (theirs - mine) / max(float(theirs[0]), 1e-12)
        if not known:
            return None
        value, low, high = interval(gain)
        return Beside(
            question.name,
            "AUC" if question.classes else "MAE",
            len(set(np.asarray(subjects)[question.rows])),
            float(mine[0]),
            float(theirs[0]),
            value,
            (low, high),
        )

    rows = tuple(r for r in each(beside, questions) if r is not None)
    return Guard(rows, "" if rows else "neither knows anything of the fields that were asked")


def guarded(samples, source, vectors: np.ndarray, config: dict, progress=None) -> Guard:
    """Compares the vectors of a dataset with principal components; stores those as well where the embedding loses.

    Args:
        samples: a dataset or view
        source: its ``SliceSource``
        vectors: one row a sample of ``source``
        config: the embedding's config
        progress: where to report
    """
    from ..baselines.references import _CLASSES, ReferenceConfig, fit_components
    from ..dae.view import WHOLE
    from .encode import encode_volumes

    chosen = _chosen(source.subjects, config["seed"])
    n_subjects = len({source.subjects[i] for i in chosen})
    if n_subjects < LEAST_SUBJECTS:
        return Guard((), f"{n_subjects} subjects cannot tell two embeddings apart")
    subjects = [source.subjects[i] for i in chosen]
    questions = _questions(samples, [source.sample_ids[i] for i in chosen], subjects)
    if not questions:
        return Guard((), "no field here can be asked")
    state, _, found = fit_components(source, ReferenceConfig(), config["seed"], progress)
    encoder = _CLASSES["pca"](found).eval()
    encoder.load_state_dict(state)
    how = {"n_slices": config["n_slices"], "pool": config["pool"]}
    pca = dict(encode_volumes(encoder, source, chosen, crop=WHOLE, **how))
    joined = config["n_slices"] if config["pool"] == "concat" else 1
    guard = beside_pca(vectors[chosen], np.stack([pca[i] for i in chosen]), joined, questions, subjects, config["seed"])
    if not guard.worse:
        return guard
    _store_pca(samples, source, config, progress)
    return Guard(guard.rows, guard.reason, True)


def safe_vectors(samples, model: str = "dae") -> list[str]:
    """Vector fields to read a dataset by: the model's, and PCA's beside it where the model was found to lose."""
    fields, key = [schema.embedding_field(model)], schema.provenance_key(model)
    if key in store.list_runs(samples, key):
        config, _ = store.load_run(samples, key)
        if (config.get("guard") or {}).get("pca_stored") and store.has_field(samples, schema.embedding_field("pca")):
            fields.append(schema.embedding_field("pca"))
    return fields


def _chosen(subjects: list[str], seed: int) -> list[int]:
    """Rows of up to :data:`MOST_SUBJECTS` subjects, drawn at random."""
    names = sorted(set(subjects))
    if len(names) > MOST_SUBJECTS:
        names = np.random.default_rng([seed, 23]).choice(names, MOST_SUBJECTS, replace=False)
    kept = set(names)
    rows = [i for i, s in enumerate(subjects) if s in kept]
    if len(rows) > MOST_SAMPLES:  # a kernel grows with the samples
        rows = sorted(np.random.default_rng([seed, 29]).choice(rows, MOST_SAMPLES, replace=False).tolist())
    return rows


def _questions(samples, ids: list[str], subjects: list[str]) -> list[Question]:
    from ..baselines.train_baseline import default_fields
    from ..statistics.targets import make_target

    names = default_fields(samples)
    table = store.read_table(samples, names).reindex(ids)
    out = []
    for name in names:
        values = [None if v is None or v != v else v for v in table[name].tolist()]
        try:
            target = make_target(name, values, subjects)
        except InputError:
            continue
        if len({subjects[r] for r in target.rows}) >= LEAST_SUBJECTS:
            out.append(Question(name, target.rows, target.values, tuple(target.classes)))
        if len(out) == MOST_FIELDS:
            break
    return out


def _store_pca(samples, source, config: dict, progress) -> None:
    """PCA's vectors of all samples with their provenance, without a map."""
    from ..baselines.references import load_reference, make_reference
    from ..dae.checkpoint import read_facts
    from .samples import encode_samples

    made = make_reference(store.dataset_of(samples), "pca", seed=config["seed"], progress=progress)
    facts = read_facts(made.folder)
    settings = {
        "model": "pca",
        "checkpoint": made.folder,
        "checkpoint_hash": facts["sha256"],
        "data_hash": source.data_hash,
        "n_slices": config["n_slices"],
        "pool": config["pool"],
        "crop": float(facts["crop"]),
        "seed": config["seed"],
    }
    _, shares = encode_samples(samples, load_reference(made.folder), source, settings, batch_size=64, progress=progress)
    store.save_run(
        samples,
        schema.provenance_key("pca"),
        {**settings, "encoded": shares, "complete": True, "notes": []},
        {"sample_ids": source.sample_ids, "content": source.keys},
    )
    store.end_vectors(samples, schema.embedding_field("pca"))
