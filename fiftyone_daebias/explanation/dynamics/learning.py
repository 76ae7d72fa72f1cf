"""Training a classifier while the loss of every sample is written down, several times an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from ..classifier import Recipe, make_network, to_inputs


@dataclass(frozen=True)
class Course:
    """One training.

    Attributes:
        seen: images seen at each look, int (looks,); the first look is before training
        margin: log-odds of each sample's own class at each look, float32 (looks, n); NaN where not looked at
        training: whether each sample was trained on, bool (n,)
    """

    seen: np.ndarray
    margin: np.ndarray = field(repr=False)
    training: np.ndarray = field(repr=False)

    @property
    def loss(self) -> np.ndarray:
        """Cross-entropy (looks, n)."""
        with np.errstate(invalid="ignore"):  # NaN where a sample is not followed
            return np.logaddexp(0.0, -self.margin)

    @property
    def right(self) -> np.ndarray:
        """1 where the sample is on its own side, 0 where not, (looks, n); NaN where not looked at."""
        return np.where(np.isnan(self.margin), np.nan, (self.margin > 0).astype(float))


def split_by_subject(subjects: np.ndarray, strata: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which samples are held out: about ``share`` of the subjects of each stratum (of the first sample), bool (n,)."""
    names, first = np.unique(subjects, return_index=True)
    held = []
    for s in np.unique(strata[first]):
        mine = rng.permutation(names[strata[first] == s])
        held.append(mine[: max(1, round(share * len(mine))) if len(mine) > 1 else 0])
    return np.isin(subjects, np.concatenate(held))


def follow(
    stack: np.ndarray,
    labels: np.ndarray,
    training: np.ndarray,
    looked_at: np.ndarray,
    recipe: Recipe,
    *,
    epochs: int,
    looks: int,
    device,
    seed: int,
    task,
) -> Course:
    """Trains on everybody in the training part, and looks at the samples as it goes.

    Every training sample is seen once an epoch; the classes weigh the same in the loss.

    Args:
        stack: float16 (n, slices, h, w), the slices are the channels
        labels: bool (n,)
        training: which samples train, bool (n,)
        looked_at: which samples are followed, bool (n,)
        recipe: architecture, batch size, learning rate, weight decay
        epochs: passes over the training samples
        looks: looks an epoch
        device: where
        seed: seed of weights and order
        task: progress, advanced by images
    """
    network = make_network(recipe, stack.shape[1], seed).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    rng = np.random.default_rng([seed, 13])
    rows, followed = np.flatnonzero(training), np.flatnonzero(looked_at)
    counts = np.bincount(labels[rows].astype(int), minlength=2)
    weight = torch.tensor(len(rows) / np.maximum(2.0 * counts, 1.0), dtype=torch.float32, device=device)
    total = epochs * len(rows)
    when = np.unique(np.linspace(0, total, epochs * looks + 1).round().astype(int))
    seen, margins, done = [0], [_margins(network, stack, labels, followed)], 0
    pending = list(when[1:])
    for _ in range(epochs):
        order = rng.permutation(rows)
        for first in range(0, len(order), recipe.batch_size):
            batch = order[first : first + recipe.batch_size]
            if len(batch) < 2:  # batch norm needs two
                continue
            network.train()
            target = torch.from_numpy(labels[batch].astype(np.int64)).to(device)
            loss = F.cross_entropy(network(to_inputs(stack, batch, "channels").to(device)), target, weight=weight)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            done += len(batch)
            task.advance(len(batch), note=f"loss {loss.item():.3f}")
            if pending and done >= pending[0]:
                while pending and done >= pending[0]:
                    pending.pop(0)
                seen.append(done)
                margins.append(_margins(network, stack, labels, followed))
    out = np.full((len(seen), len(labels)), np.nan, np.float32)
    out[:, followed] = margins
    return Course(np.array(seen), out, training)


def _margins(network, stack, labels, rows) -> np.ndarray:
    network.eval()
    device = next(network.parameters()).device
    out = []
    with torch.no_grad():
        for first in range(0, len(rows), 64):
            part = rows[first : first + 64]
            logits = network(to_inputs(stack, part, "channels").to(device)).float().cpu().numpy()
            odds = logits[:, 1] - logits[:, 0]
            out.append(np.where(labels[part], odds, -odds))
    return np.concatenate(out)
