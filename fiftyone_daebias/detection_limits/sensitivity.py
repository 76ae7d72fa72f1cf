"""The verb ``sensitivity``: what would the audit have found, had it been there?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from .. import schema, store
from ..dae.batches import fixed_crop
from ..dae.checkpoint import read_facts
from ..dae.train import pick_device
from ..embeddings.encode import centre_indices, encode_volumes
from ..embeddings.encoders import load_encoder
from ..errors import CheckpointError, InputError
from ..parameters import Advanced, Device, Kernel, MaxSamples, NumberOfTests, Seed, SubjectField, TrialRepeats
from ..phantoms.effects import EFFECTS
from ..progress import Progress, listening, start
from ..statistics.targets import MIN_SUBJECTS
from .cohort import Cohort, pixel_sizes, read_cohort
from .figure import curve_figure, example_figure
from .perturbation import PerturbedSource, affected_subjects, permutations_for, run_trial, wilson
from .regions import COPIES, Places
from .result import Sensitivity, SensitivityRow, make_sentence
from .result_cache import ResultCache

#: planted unless others are named; "flip" and "lost_edge_slice" need volumes
DEFAULT = ("shift", "rotation", "contrast", "shading", "noise", "spacing", "marker")
EffectName = Literal[
    "shift", "rotation", "contrast", "shading", "bias_field", "noise", "spacing", "marker", "flip", "lost_edge_slice"
]
#: trials in which outliers are looked for too
OUTLIER_TRIALS = 5
#: stored vectors and those encoded again may differ by so much of their spread
TOLERANCE = 0.02


def sensitivity(
    samples,
    *,
    effects: list[EffectName] | None = None,
    strengths: Annotated[list[float], Advanced] | None = None,
    prevalences: Annotated[list[float], Advanced] | None = None,
    n_subjects: int | None = None,
    max_samples: MaxSamples = 1500,
    repeats: TrialRepeats = 20,
    islands: Annotated[bool, Advanced] = False,
    n_tests: NumberOfTests | None = None,
    kernel: Kernel = "rbf",
    model: str = "dae",
    subject_field: SubjectField | None = None,
    device: Device | None = None,
    seed: Seed = 51,
    progress: Progress | None = None,
) -> Sensitivity:
    """Plants graded effects into copies of the cohort's own images and asks how often the audit would find them.

    Copies of some subjects' volumes are altered in memory and encoded with
    the stored checkpoint, once for each effect and strength. In every trial a
    share of the subjects, drawn anew, gets the altered vectors, and the test
    that probes use (subject-level permutations, same statistics, same kernel)
    asks whether "affected or not" can be told from the embedding. So the
    numbers hold for an effect that some metadata field marks, among as many
    fields as were probed. For effects that nothing marks, the shares of
    affected samples that "tag" would find, as outliers or for something strange
    in one place, are given beside.
    Interrupted at any moment, it goes on where it was.

    Args:
        samples: a dataset or view with embeddings
        effects: what to plant: shift, rotation, contrast, shading, bias_field, noise, spacing, marker, flip,
            lost_edge_slice; default: all but bias_field, flip and lost_edge_slice
        strengths: how strong, in the effect's unit, for one effect; default: graded steps of each
        prevalences: shares of the subjects that are affected, in (0, 0.5]; default: 0.02, 0.05 and 0.1, and a
            larger one where these are fewer than 10 subjects
        n_subjects: subjects of whom altered copies are made; fewer is faster, but trials are then alike; default:
            three times as many as the largest share needs, at least 40
        max_samples: samples of the cohort that a trial tests at most, of whole subjects drawn at random; fewer is
            faster, and finds less
        repeats: trials for each effect, strength and share
        islands: whether to look, in five trials each, for clusters that are the affected; slower
        n_tests: fields among which the marking field is; an effect counts as found at p of 0.05 over this number;
            default: as many as were probed
        kernel: kernel of the probe
        model: which embedding: "dae", or the name of a baseline
        subject_field: field that names the subject; default: as registered, else guessed by name
        device: "cpu", "cuda", "cuda:1" or "mps"; default: the best there is
        seed: seed of the subjects drawn, the effects and the permutations

    Returns:
        probabilities with intervals, the false alarms where nothing was planted, curves and examples

    Raises:
        InputError: no embedding, too few subjects, an unknown effect, or a number out of its range
        CheckpointError: the checkpoint is gone, or the vectors were not made with it
    """
    store.ensure_samples(samples)
    wanted = _wanted(effects, strengths)
    if prevalences and not all(0 < s <= 0.5 for s in prevalences):
        raise InputError(f"prevalences are shares above 0 and at most 0.5; got {', '.join(map(str, prevalences))}")
    if max_samples < 50:
        raise InputError(f"max_samples must be at least 50; got {max_samples}")
    if repeats < 5 or n_tests is not None and n_tests < 1:
        raise InputError(f"repeats must be at least 5 and n_tests at least 1; got {repeats} and {n_tests}")
    told, dataset = listening(progress), store.dataset_of(samples)
    cohort = read_cohort(samples, model, subject_field, n_subjects, prevalences, max_samples, seed, progress)
    shares = cohort.shares
    if any(e in ("flip", "lost_edge_slice") for e, _ in wanted) and _depth(cohort) == 1:
        raise InputError("effects: flip and lost_edge_slice need volumes; these samples are single images")
    spacing, in_pixels, notes = pixel_sizes(samples, cohort)
    n_tests = n_tests or max(1, _n_probed(samples))
    level = 0.05 / n_tests
    n_permutations = permutations_for(level)
    kept = ResultCache(
        dataset.name,
        {
            "checkpoint": cohort.config["checkpoint_hash"],
            "data": cohort.source.data_hash,
            "model": model,
            "n_slices": cohort.config["n_slices"],
            "pool": cohort.config["pool"],
            "crop": cohort.config["crop"],
            "seed": seed,
            "subjects": [str(s) for s in cohort.pool],
            "n": len(cohort.subjects),
            "spacing": spacing[:50],
        },
    )
    kept.forget_others()
    encoder = _encoder(cohort.config, device)
    cells = [("none", 0.0), *wanted]
    _encode_all(cohort, cells, encoder, spacing, seed, kept, progress)
    _check_same(cohort, kept.vectors(effect="none", strength=0.0))
    strange = _strange_places(cohort, cells, spacing, seed, kept, progress)
    rows, total = [], cohort.n_subjects
    trials = _Trials(repeats, level, kernel, n_permutations, seed, islands)
    with start(progress, "trials", len(cells) * len(shares) * repeats, "trials") as task:
        for effect, strength in cells:
            copies = kept.vectors(effect=effect, strength=strength)
            unit = _unit(effect, in_pixels)
            for share in shares:
                row = SensitivityRow(effect, strength, unit, share, round(share * total), total)
                row = _tried(row, cohort, copies, trials, kept, task)
                rows.append(replace(row, places=strange.get((effect, strength), float("nan"))))
    if cohort.n_all > len(cohort.subjects):
        notes.append(
            f"tested on {len(cohort.subjects):,} of {cohort.n_all:,} samples; with all of them smaller effects "
            "would be found"
        )
    notes += _far_shifts(cohort, wanted, spacing)
    sentence = make_sentence(rows)
    figures = []
    if any(not r.reason for r in rows):
        figures = [
            curve_figure(dataset.name, rows, level),
            example_figure(
                dataset.name,
                _examples(cohort, wanted, spacing, seed, encoder.image_size),
                {e: _unit(e, in_pixels) for e, _ in wanted},
                _axes(samples, cohort),
            ),
        ]
    result = Sensitivity(
        tuple(rows),
        sentence,
        level,
        n_tests,
        cohort.n_subjects,
        len(cohort.subjects),
        len(cohort.pool),
        tuple(figures),
        tuple(notes),
    )
    store.save_run(
        samples,
        schema.SENSITIVITY_RUN,
        {
            "model": model,
            "checkpoint_hash": cohort.config["checkpoint_hash"],
            "data_hash": cohort.source.data_hash,
            "effects": sorted({e for e, _ in wanted}),
            "prevalences": list(shares),
            "repeats": repeats,
            "level": level,
            "n_tests": n_tests,
            "kernel": kernel,
            "n_permutations": n_permutations,
            "n_pool": len(cohort.pool),
            "seed": seed,
        },
        {**result.to_dict(), "pool_sample_ids": [cohort.source.sample_ids[cohort.places[r]] for r in cohort.rows]},
    )
    told.say(sentence)
    return result


def _wanted(effects: list[str] | None, strengths: list[float] | None) -> list[tuple[str, float]]:
    """Effects with their strengths."""
    names = list(dict.fromkeys(effects or DEFAULT))
    unknown = [n for n in names if n not in EFFECTS]
    if unknown:
        raise InputError(f"effects: there is no {unknown[0]!r}; effects: {', '.join(EFFECTS)}")
    if strengths is None:
        return [(n, float(s)) for n in names for s in EFFECTS[n].grades]
    if len(names) != 1 or not effects:
        raise InputError("strengths: their unit is that of one effect; name one effect with them")
    if not strengths or not all(np.isfinite(s) and s != 0 for s in strengths):
        raise InputError("strengths must be numbers other than 0; strength 0 is always tested")
    if names[0] not in ("shift", "rotation", "contrast") and min(strengths) < 0:
        raise InputError(f"strengths of {names[0]} must be above 0; got {min(strengths):g}")
    return [(names[0], float(s)) for s in sorted(set(strengths))]


def _depth(cohort: Cohort) -> int:
    return max(cohort.source.n_slices(int(i)) for i in cohort.places[cohort.rows])


def _encoder(config: dict, device: str | None):
    folder = Path(config["checkpoint"])
    facts = read_facts(folder)
    if facts["sha256"] != config["checkpoint_hash"]:
        raise CheckpointError(
            f"the checkpoint in {folder} is not the one that the embedding was made with any more; run 'daebias embed' "
            "again"
        )
    return load_encoder(folder, pick_device(device))


def _n_probed(samples) -> int:
    n = 0
    for key in store.list_runs(samples, schema.PROBE_RUN_PREFIX):
        if "_by_" not in key:
            n += not store.load_run(samples, key)[1]["summary"].get("reason")
    return n


def _encode_all(cohort: Cohort, cells, encoder, spacing, seed: int, kept: ResultCache, progress) -> None:
    """Encodes what is not kept yet: every effect and strength once, for all shares and trials."""
    missing = [c for c in cells if kept.vectors(effect=c[0], strength=c[1]) is None]
    places = [int(i) for i in cohort.places[cohort.rows]]
    config = cohort.config
    with start(progress, "encoding altered copies", len(missing) * len(places), "samples") as task:
        for effect, strength in missing:
            spiked = PerturbedSource(cohort.source, EFFECTS.get(effect, EFFECTS["shift"]), strength, spacing, seed)
            found = np.empty((len(places), cohort.vectors.shape[1]), np.float32)
            at = {i: k for k, i in enumerate(places)}
            for i, vector in encode_volumes(
                encoder, spiked, places, n_slices=config["n_slices"], crop=config["crop"], pool=config["pool"]
            ):
                found[at[i]] = vector
                task.advance(note=f"{effect} {strength:g}")
            kept.keep_vectors(found, effect=effect, strength=strength)


def _strange_places(cohort: Cohort, cells, spacing, seed: int, kept: ResultCache, progress) -> dict[tuple, float]:
    """Share of altered copies that "tag" would find strange in one place, of every effect and strength."""
    if not Places.possible(cohort):
        return {}
    done = {c: kept.trials(effect=c[0], strength=c[1], places=True) for c in cells}
    missing = [c for c in cells if done[c] is None]
    if missing:
        n = len(cohort.places)
        with start(progress, "strange places", n + len(missing) * min(COPIES, len(cohort.rows)), "pictures") as task:
            places = Places(cohort, task)
            for effect, strength in missing:
                spiked = PerturbedSource(cohort.source, EFFECTS.get(effect, EFFECTS["shift"]), strength, spacing, seed)
                share = places.tagged(spiked, kept.vectors(effect=effect, strength=strength))
                done[effect, strength] = {"share": share}
                kept.keep_trials(done[effect, strength], effect=effect, strength=strength, places=True)
                task.advance(min(COPIES, len(cohort.rows)), note=f"{effect} {strength:g}")
    return {c: value["share"] for c, value in done.items()}


def _check_same(cohort: Cohort, again: np.ndarray) -> None:
    """Copies that were not altered must be where the stored vectors are, or every copy would give itself away."""
    spread = float(cohort.vectors.std(axis=0).mean())
    off = np.abs(again - cohort.vectors[cohort.rows]).mean(axis=1) / max(spread, 1e-12)
    wrong = int((off > TOLERANCE).sum())
    if wrong:
        raise CheckpointError(
            f"{wrong:,} of {len(off):,} samples have another vector than their checkpoint gives (by up to "
            f"{off.max():.1%} of the spread); run 'daebias embed' again"
        )


@dataclass(frozen=True)
class _Trials:
    """How every effect is tried; attributes as the verb's parameters."""

    repeats: int
    level: float
    kernel: str
    n_permutations: int
    seed: int
    islands: bool


def _tried(
    row: SensitivityRow, cohort: Cohort, copies: np.ndarray, trials: _Trials, kept: ResultCache, task
) -> SensitivityRow:
    """The row of one effect, strength and share with what its trials gave; those that are kept are not run again."""
    n, share, repeats = row.n_affected, row.prevalence, trials.repeats
    reason = ""
    if n < MIN_SUBJECTS:
        reason = (
            f"{share:.0%} of {row.n_subjects:,} subjects are {n}; a probe takes a class from {MIN_SUBJECTS} subjects on"
        )
    elif n > len(cohort.pool):
        reason = (
            f"{share:.0%} of {row.n_subjects:,} subjects are {n}; copies of {len(cohort.pool)} were made; raise "
            "n_subjects"
        )
    if reason:
        task.advance(repeats)
        return replace(row, reason=reason)
    piece = {
        "effect": row.effect,
        "strength": row.strength,
        "affected": n,
        "kernel": trials.kernel,
        "permutations": trials.n_permutations,
        "islands": trials.islands,
    }
    done = kept.trials(**piece) or {"p": [], "tagged": [], "overlap": []}
    for trial in _todo(done, repeats, task):
        found = run_trial(
            cohort.vectors,
            copies,
            cohort.rows,
            cohort.subjects,
            affected_subjects(cohort.pool, n, trials.seed, trial),
            kernel=trials.kernel,
            n_permutations=trials.n_permutations,
            outliers=trial < OUTLIER_TRIALS,
            islands=trials.islands and trial < OUTLIER_TRIALS,
            rng=np.random.default_rng([trials.seed, n, trial]),
        )
        done["p"].append(found.p)
        if trial < OUTLIER_TRIALS:
            done["tagged"].append([found.tagged, found.tagged_rest])
            done["overlap"] += [found.island] if trials.islands else []
        kept.keep_trials(done, **piece)
        task.advance(note=f"{row.effect} {row.strength:g} in {share:.0%}")
    hits = int(sum(p <= trials.level for p in done["p"][:repeats]))
    tagged = np.mean(done["tagged"], axis=0)
    return replace(
        row,
        repeats=repeats,
        found=hits,
        probability=hits / repeats,
        interval=wilson(hits, repeats),
        tagged=float(tagged[0]),
        tagged_rest=float(tagged[1]),
        island=float(np.mean(np.array(done["overlap"]) >= 0.5)) if trials.islands else float("nan"),
    )


def _todo(done: dict, repeats: int, task) -> Iterator[int]:
    finished = min(len(done["p"]), repeats)
    if finished:
        task.advance(finished)
    return iter(range(len(done["p"]), repeats))


def _far_shifts(cohort: Cohort, wanted, spacing) -> list[str]:
    """What to bear in mind of shifts that bring in much that was never acquired."""
    source = cohort.source
    mm = [source.cache.shape(source.keys[i])[1] * spacing[i][0] for i in map(int, cohort.places[cohort.rows])]
    most = 0.1 * float(np.median(mm))
    far = [s for e, s in wanted if e == "shift" and abs(s) > most]
    if not far:
        return []
    return [
        f"a shift by more than {most:.3g} (a tenth of the picture) brings in a mirrored edge, which is easier to "
        f"see than what a scanner would have acquired: take shifts from {min(far, key=abs):g} on as too optimistic"
    ]


def _axes(samples, cohort: Cohort) -> str:
    """Directions of the rows and columns of the example; "" if they are not known."""
    if not store.has_field(samples, schema.GEOMETRY_FIELD):
        return ""
    geometry = store.read_field(samples, schema.GEOMETRY_FIELD)[int(cohort.places[cohort.rows[0]])]
    return str((geometry or {}).get("axes_now") or "")[1:]


def _unit(effect: str, in_pixels: bool) -> str:
    if effect == "none":
        return "copies encoded again"
    unit = EFFECTS[effect].unit
    return unit.replace("mm ", "pixels ") if in_pixels else unit


def _examples(cohort: Cohort, wanted, spacing, seed: int, size: int) -> dict[str, list[tuple[float, np.ndarray]]]:
    """The middle slice of the pool's first sample with every effect and strength, cropped as it is encoded."""
    i = int(cohort.places[cohort.rows[0]])
    n = cohort.source.n_slices(i)
    which = centre_indices(n, 1)
    out: dict[str, list] = {}
    for effect, strength in wanted:
        for s in (0.0, strength) if effect not in out else (strength,):
            spiked = PerturbedSource(cohort.source, EFFECTS[effect], s, spacing, seed)
            picture = fixed_crop(spiked.read(i, which), max(size, 96), cohort.config["crop"])[0, 0].numpy()
            out.setdefault(effect, []).append((s, picture))
    return out
