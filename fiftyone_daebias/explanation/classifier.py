"""The follow-up classifier: can a network tell two groups apart on subjects that it has not seen?"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import InputError
from ..parallel import SharedTask, each
from ..progress import Progress, start
from ..statistics.paired import shuffled_labels
from ..statistics.scores import bootstrap_weights, percentile_interval, weighted_auc

ARCHITECTURES = ("resnet10", "resnet34", "densenet121")
#: below this many subjects of the smaller group a test split is too small, and the folds take turns
FEWEST_HELD_OUT = 20
#: below this many subjects of the smaller group there is nothing to train on
FEWEST = 12
LEVEL = 0.05
#: below this cross-entropy on the subjects that are watched there is nothing left to learn
LEARNED = 0.03
#: a fall of that cross-entropy by less than this is none
NO_FALL = 0.002
#: steps after which what batch normalisation began with weighs less than a hundredth (0.9 ** 45, by its momentum of
#: 0.1): a network that fits earlier is not yet judged well, and its maps lie anywhere
SETTLED = 45
#: most watched samples of a group that a look takes
WATCHED = 48


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        architecture: one of :data:`ARCHITECTURES` (MONAI's, 2-D, first stride 2)
        inputs: "slices": every slice by itself, one channel; "channels": the slices of a volume as channels
        steps: most optimiser steps
        batch_size: pictures a step, half of either group
        learning_rate: of AdamW, with a cosine to 0
        weight_decay: Graf et al. 2024 used 0.01 to 0.0001
        check_every: steps between looks at the validation subjects
        patience: looks without improvement after which training stops
        fitted: training also stops once the mean loss of the steps between two looks has been below this for
            :data:`SETTLED` steps and the validation subjects' loss has not just fallen by a tenth: a network that is
            right about all it is shown has no gradient left
        few_slices: slices of a volume that a look, a map and the check of the maps take, evenly spread; 0 for all.
            Scores of held-out samples are always of all slices
    """

    architecture: str = "resnet10"
    inputs: str = "slices"
    steps: int = 300
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    check_every: int = 30
    patience: int = 4
    fitted: float = 0.02
    few_slices: int = 3

    def __post_init__(self):
        if self.architecture not in ARCHITECTURES:
            raise InputError(f"architecture must be one of {', '.join(ARCHITECTURES)}; got {self.architecture!r}")
        if self.inputs not in ("slices", "channels"):
            raise InputError(f"inputs must be 'slices' or 'channels'; got {self.inputs!r}")
        if self.steps < 1 or self.batch_size < 2:
            raise InputError(
                f"steps must be at least 1 and batch_size at least 2; got {self.steps} and {self.batch_size}"
            )


@dataclass(frozen=True)
class ClassifierResult:
    """What the classifier reached on subjects that it has not seen.

    Attributes:
        auc: area under the ROC curve, every subject counted once
        interval: 95 % subject-bootstrap interval
        p: permutation p-value against chance, subjects exchanged
        n_subjects: held-out subjects of the two groups
        held_out: "stored test split" or "3 folds in turn"
        steps: optimiser steps of each training until its best look
        scores: log-odds of the first group for every sample, (n,); NaN where not held out
        fold: fold in which each sample was held out, (n,); −1 where none
        reason: why no classifier was trained, "" if one was
    """

    auc: float
    interval: tuple[float, float]
    p: float
    n_subjects: tuple[int, int]
    held_out: str
    steps: tuple[int, ...]
    scores: np.ndarray = field(repr=False)
    fold: np.ndarray = field(repr=False)
    reason: str = ""

    @property
    def tells_apart(self) -> bool:
        """Whether an explanation may be drawn: the interval leaves out 0.5, and chance does not explain it."""
        return not self.reason and self.interval[0] > 0.5 and self.p <= LEVEL

    def to_dict(self) -> dict:
        raw = asdict(self)
        del raw["scores"], raw["fold"]
        raw["tells_apart"] = self.tells_apart
        return {k: None if isinstance(v, float) and v != v else v for k, v in raw.items()}


def make_network(recipe: Recipe, channels: int, seed: int) -> torch.nn.Module:
    """MONAI's network with two outputs; the global random state is left as it was."""
    from monai.networks.nets import DenseNet121, resnet10, resnet34

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if recipe.architecture == "densenet121":
            network = DenseNet121(spatial_dims=2, in_channels=channels, out_channels=2)
        else:
            make = resnet10 if recipe.architecture == "resnet10" else resnet34
            # MONAI's default first stride of 1 is four times slower and no better on pictures of this size
            network = make(spatial_dims=2, n_input_channels=channels, num_classes=2, conv1_t_stride=2)
    # a tenth to a quarter faster on a CPU, with the same numbers
    return network.to(memory_format=torch.channels_last)


def spread(n: int, most: int) -> np.ndarray:
    """Positions of at most ``most`` of ``n`` slices, evenly spread; all of them where ``most`` is 0."""
    return np.arange(n) if not 0 < most < n else ((np.arange(most) + 0.5) * n / most).astype(int)


def to_inputs(stack: np.ndarray, which: np.ndarray, inputs: str) -> torch.Tensor:
    """Network inputs of samples: (n · slices, 1, h, w) for "slices", (n, slices, h, w) for "channels".

    Args:
        stack: float16 (n, slices, h, w), 0 black and 1 bright
        which: samples
        inputs: "slices" or "channels"
    """
    part = torch.from_numpy(stack[which].astype(np.float32)) * 4.0 - 1.0
    return part if inputs == "channels" else part.reshape(-1, 1, *part.shape[-2:])


def cross_fit(
    stack: np.ndarray,
    labels: np.ndarray,
    subjects: np.ndarray,
    splits: list[str],
    recipe: Recipe,
    *,
    paired: bool = False,
    device: str = "cpu",
    n_permutations: int = 1999,
    n_bootstrap: int = 999,
    seed: int = 51,
    progress: Progress | None = None,
) -> tuple[ClassifierResult, list[torch.nn.Module]]:
    """Trains a classifier and scores it on subjects held out.

    The dataset's own test subjects are held out where there are enough of them; else three folds of subjects take
    turns. Early stopping looks at a fifth of the training subjects that training does not see.

    Args:
        stack: float16 (n, slices, h, w)
        labels: whether each sample is in the first group, bool (n,)
        subjects: subject of each sample
        splits: "train", "val" or "test" of each sample
        recipe: how to train
        paired: whether every subject has samples of both groups; folds are of whole subjects
        device: where
        n_permutations: permutations of the test against chance
        n_bootstrap: draws of the interval
        seed: seed of everything
        progress: where to report

    Returns:
        the result, and the network of every fold
    """
    names, first = np.unique(subjects, return_index=True)
    own = np.array(splits)[first]
    # subjects with samples of both groups count on both sides
    parts = [np.isin(names, subjects[labels == side]) for side in (True, False)]
    counts = int(parts[0].sum()), int(parts[1].sum())
    nothing = np.full(len(labels), np.nan), np.full(len(labels), -1)
    if min(counts) < FEWEST:
        reason = f"a classifier needs at least {FEWEST} subjects on either side; here are {counts[0]} and {counts[1]}"
        nan = float("nan")
        return ClassifierResult(nan, (nan, nan), nan, (0, 0), "", (), *nothing, reason=reason), []
    rng = np.random.default_rng([seed, 7])
    testing = own == "test"
    if min(int((testing & part).sum()) for part in parts) >= FEWEST_HELD_OUT:
        folds, how = [set(names[testing])], "the stored test split"
    else:
        number = {n: k % 3 for g in parts for k, n in enumerate(rng.permutation(names[g]))}
        folds, how = [{n for n in names if number[n] == k} for k in range(3)], "3 folds of subjects in turn"
    scores, fold = nothing
    networks, steps = [], []
    channels = stack.shape[1] if recipe.inputs == "channels" else 1
    parts = []
    for k, held in enumerate(folds):
        out = np.isin(subjects, sorted(held))
        rest = np.flatnonzero(~out)
        watch = _validation(labels[rest], subjects[rest], np.array(splits)[rest], len(folds) == 1, rng)
        # drawn here, as torch has one generator for all threads
        network = make_network(recipe, channels, seed + k)
        parts.append((network, rest[~watch], rest[watch], np.flatnonzero(out), seed + k))

    def trained(part):
        network, train, watched, rows, own = part
        taken = _train(network.to(device), stack, labels, subjects, train, watched, recipe, own, task)
        return network, taken, rows, predict(network, stack, rows, recipe.inputs)

    with start(progress, f"training {recipe.architecture}", len(folds) * recipe.steps, "steps") as whole:
        task = SharedTask(whole)
        try:
            # several trainings share a GPU badly
            for k, (network, taken, rows, found) in enumerate(
                each(trained, parts, None if str(device) == "cpu" else 1)
            ):
                scores[rows], fold[rows] = found, k
                networks.append(network)
                steps.append(taken)
        finally:
            task.close()
    known = np.flatnonzero(fold >= 0)
    auc, interval, p = score_against_chance(
        scores[known],
        labels[known],
        subjects[known],
        fold[known],
        n_permutations,
        n_bootstrap,
        np.random.default_rng([seed, 8]),
        paired=paired,
    )
    held_counts = tuple(len(set(subjects[known][labels[known] == side])) for side in (True, False))
    return ClassifierResult(auc, interval, p, held_counts, how, tuple(steps), scores, fold), networks


def score_against_chance(
    scores: np.ndarray,
    labels: np.ndarray,
    subjects: np.ndarray,
    fold: np.ndarray,
    n_permutations: int,
    n_bootstrap: int,
    rng: np.random.Generator,
    *,
    paired: bool = False,
) -> tuple[float, tuple[float, float], float]:
    """AUC of held-out scores, subjects as units and compared within folds: value, interval, p-value."""
    own = np.unique(subjects, return_inverse=True)[1]
    units = 2 * own + labels if paired else own
    names, first, index, counts = np.unique(units, return_index=True, return_inverse=True, return_counts=True)
    mean = np.bincount(index, scores) / counts
    side, part, owner = labels[first], fold[first], own[first]
    pairs = np.unique(owner, return_inverse=True)[1] if paired else None
    auc = float(weighted_auc(mean, side, np.ones(len(names)), part)[0])
    boot = weighted_auc(mean, side, bootstrap_weights(owner, n_bootstrap, rng), part)
    better = 1
    for _ in range(n_permutations):
        if paired:
            shuffled = shuffled_labels(side, pairs, 1, rng)[0]
        else:
            shuffled = side.copy()
            for k in np.unique(part):
                mine = np.flatnonzero(part == k)
                shuffled[mine] = side[rng.permutation(mine)]
        better += weighted_auc(mean, shuffled, np.ones(len(names)), part)[0] >= auc - 1e-12
    return auc, percentile_interval(boot), float(better / (1 + n_permutations))


def predict(network: torch.nn.Module, stack: np.ndarray, rows: np.ndarray, inputs: str, batch: int = 64) -> np.ndarray:
    """Log-odds of the first group, averaged over a sample's slices, (len(rows),)."""
    network.eval()
    device = next(network.parameters()).device
    slices = 1 if inputs == "channels" else stack.shape[1]
    at_once = max(1, batch // slices)
    out = []
    with torch.no_grad():
        for k in range(0, len(rows), at_once):
            logits = network(to_inputs(stack, rows[k : k + at_once], inputs).to(device))
            odds = (logits[:, 1] - logits[:, 0]).reshape(-1, slices).mean(dim=1)
            out.append(odds.float().cpu().numpy())
    return np.concatenate(out) if out else np.empty(0)


def _validation(labels, subjects, splits, use_stored: bool, rng) -> np.ndarray:
    """Which of the training samples early stopping looks at, bool: a fifth of either side's subjects, at least two."""
    names, first = np.unique(subjects, return_index=True)
    sides = [np.isin(names, subjects[labels == side]) for side in (True, False)]
    stored = splits[first] == "val"
    if use_stored and min((stored & side).sum() for side in sides) >= 8:
        return np.isin(subjects, names[stored])
    if (sides[0] & sides[1]).all():
        sides = sides[:1]
    chosen = [rng.permutation(names[g])[: max(2, g.sum() // 5)] for g in sides]
    return np.isin(subjects, np.concatenate(chosen))


def _train(network, stack, labels, subjects, train, watch, recipe: Recipe, seed: int, task) -> int:
    """One training; leaves the network as at its best look, and returns the steps until then."""
    device = next(network.parameters()).device
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    rng = np.random.default_rng([seed, 11])
    pools = [_by_subject(train[labels[train] == side], subjects) for side in (False, True)]
    target = torch.tensor([0, 1] * (recipe.batch_size // 2), device=device)
    seen = stack if recipe.inputs == "channels" else stack[:, spread(stack.shape[1], recipe.few_slices)]
    watch = _at_most(watch, labels, WATCHED, rng)
    best, best_loss, best_step, left = copy.deepcopy(network.state_dict()), float("inf"), 0, recipe.patience
    losses: list[float] = []
    fits = 0
    for step in range(1, recipe.steps + 1):
        network.train()
        rows = np.array([rng.choice(pool[rng.integers(len(pool))]) for _ in range(len(target) // 2) for pool in pools])
        loss = F.cross_entropy(network(_drawn(stack, rows, recipe.inputs, rng).to(device)), target)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        task.advance(note=f"loss {losses[-1]:.3f}")
        if step % recipe.check_every == 0 or step == recipe.steps:
            now = _watched_loss(network, seen, labels, watch, recipe.inputs)
            fits = fits + len(losses) if float(np.mean(losses)) < recipe.fitted else 0
            done = converged(fits, best_loss, now)
            losses.clear()
            if now < best_loss - NO_FALL:
                best, best_loss, best_step, left = copy.deepcopy(network.state_dict()), now, step, recipe.patience
            else:
                left -= 1
            if left <= 0 or done:
                task.advance(recipe.steps - step)
                break
    network.load_state_dict(best)
    network.eval()
    return best_step


def converged(fits: int, before: float, now: float) -> bool:
    """Whether going on would change nothing that matters.

    Args:
        fits: steps for which the training loss has been as good as 0
        before: least loss of the watched subjects at earlier looks, infinite at the first
        now: their loss now
    """
    falls = before == float("inf") or now < before - max(NO_FALL, 0.1 * before)
    return min(before, now) < LEARNED or fits >= SETTLED and not falls


def _at_most(rows: np.ndarray, labels: np.ndarray, most: int, rng) -> np.ndarray:
    """At most so many rows of either group, drawn at random."""
    return np.concatenate([rng.permutation(rows[labels[rows] == side])[:most] for side in (True, False)])


def _by_subject(rows: np.ndarray, subjects: np.ndarray) -> list[np.ndarray]:
    """Rows of each subject, so that a draw of a subject is fair to those with few samples."""
    owners = subjects[rows]
    return [rows[owners == s] for s in np.unique(owners)]


def _drawn(stack, rows, inputs, rng) -> torch.Tensor:
    """Inputs of a batch: one slice of each sample, or all its slices as channels."""
    if inputs == "channels":
        return to_inputs(stack, rows, inputs)
    which = rng.integers(stack.shape[1], size=len(rows))
    return to_inputs(stack[rows, which][:, None], np.arange(len(rows)), inputs)


def _watched_loss(network, stack, labels, rows, inputs) -> float:
    """Cross-entropy on the watched samples, both sides weighing the same."""
    odds = predict(network, stack, rows, inputs)
    loss = np.logaddexp(0.0, np.where(labels[rows], -odds, odds))
    return float(0.5 * (loss[labels[rows]].mean() + loss[~labels[rows]].mean()))
