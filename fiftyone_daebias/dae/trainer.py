"""The training loop: resumable at any step, deterministic, one run a folder (see :mod:`.run_folder`).

It trains any :class:`~.learner.Learner`, on one process or, under
``torchrun``, on several as one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import Cancelled, CheckpointError, InputError, TrainingError
from ..progress import Progress, listening, start
from . import hardware
from .batches import TrainingBatches, fixed_crop
from .checkpoint import read_facts, save_model
from .config import RunConfig
from .distributed import process_group
from .grid import SHOWN, save_grid
from .learner import Learner
from .prefetch import prefetch
from .run_folder import RunFolder
from .view import CENTRE_SLICES

#: steps between two looks at the metrics; a look waits for the device
LOOK_EVERY = 8
#: held-out images an evaluation looks at
HELD_OUT = 256
#: training slices that a learner is shown at once, and pixels that they have in all
MOST_SHOWN, SHOWN_VALUES = 4_000, 2**26


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind.

    Attributes:
        folder: the run folder; it is the checkpoint
        checkpoint_hash: sha256 of the averaged weights
        images: images seen in all
        loss: mean training loss since the last evaluation
        validation_loss: loss on the validation split (NaN without one)
        seconds: time spent training, this call only
        resumed_at: images already seen when this call began
        metrics: the last evaluation's metrics on held-out images
        stopped: why training stopped before it had seen all images; empty when it did not
        begun: which weights it started from, where there was a choice
    """

    folder: str
    checkpoint_hash: str
    images: int
    loss: float
    validation_loss: float
    seconds: float
    resumed_at: int
    metrics: dict[str, float]
    stopped: str = ""
    begun: str = ""

    def to_dict(self) -> dict:
        return dict(self.__dict__)

    def __str__(self) -> str:
        if self.resumed_at >= self.images:
            return f"already trained: {self.images:,} images; checkpoint {self.checkpoint_hash[:12]} in {self.folder}"
        rate = (self.images - self.resumed_at) / max(self.seconds, 1e-9)
        again = f" (went on from {self.resumed_at:,})" if self.resumed_at else ""
        held_out = ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in self.metrics.items())
        lines = [
            f"trained on {self.images:,} images{again} in {self.seconds:.0f} s ({rate:.0f} images/s); "
            f"loss {self.loss:.4f}",
            f"held-out: {held_out}" if held_out else "no held-out images, so nothing to judge it by",
            f"checkpoint {self.checkpoint_hash[:12]} in {self.folder}",
        ]
        return "\n".join([*lines, *(f"note: {n}" for n in (self.begun, self.stopped) if n)])


def train(
    source, folder: Path, learner: Learner, config: RunConfig, *, seed: int = 51, progress: Progress | None = None
) -> TrainResult:
    """Trains until ``config.images`` images have been seen, going on from the folder's last state.

    Args:
        source: a ``SliceSource``; its ``train`` split trains, its ``val`` split is held out
        folder: run folder
        learner: the model in training
        config: the recipe
        seed: seed of order and crops
        progress: where to report

    Raises:
        InputError: the batch cannot be shared out evenly among the processes
        CheckpointError: the folder holds another run, a damaged one, another process trains there, or the disk is full
        TrainingError: the loss is not finite, memory is out or the device failed; the last good state is kept
    """
    group = process_group()
    if config.batch_size % group.size:
        raise InputError(
            f"batch_size {config.batch_size} cannot be shared out evenly among {group.size} processes; pass "
            f"batch_size={max(1, config.batch_size // group.size) * group.size}"
        )
    run = RunFolder(folder)
    if not group.is_main:
        group.barrier()  # until the first process has the lock and has checked the folder
        return _Loop(source, run, learner, config, seed).go(None)
    with run.lock():
        run.claim(
            {
                "format": learner.format,
                "model": learner.config.to_dict(),
                "train": config.to_dict(),
                "seed": seed,
                "data_hash": source.data_hash,
            }
        )
        group.barrier()
        return _Loop(source, run, learner, config, seed).go(progress)


class _Loop:
    """One call of :func:`train`: where it stands, and what it has seen since the last evaluation."""

    def __init__(self, source, run: RunFolder, learner: Learner, config: RunConfig, seed: int):
        self.source, self.run, self.learner, self.config, self.seed = source, run, learner, config, seed
        self.group = process_group()
        self.step, self.loss = 0, float("nan")
        #: of the last evaluation; the best criterion; what it was when it last counted as better; evaluations since
        #: then; why training stopped
        self.held_out: dict[str, float] = {}
        self.best, self.mark, self.bad, self.stopped = float("inf"), float("inf"), 0, ""
        self.begun = ""  # what the learner said of its start
        self.evaluated = 0  # the step of the last evaluation
        self.taken_up = False  # whether another call has begun it
        self.unseen: list[dict] = []  # metrics of steps not looked at yet
        self.seen: list[dict] = []  # metrics since the last evaluation
        self._take_up()

    def _take_up(self) -> None:
        found = self.run.load()
        if found is None:
            return
        facts, tensors = found
        try:
            self.learner.load_state(tensors)
            self.step, self.loss = facts["step"], facts["loss"] if facts["loss"] is not None else float("nan")
        except (KeyError, ValueError, RuntimeError) as error:
            raise self.run.damaged(error) from error
        self.held_out = facts.get("held_out") or {"validation_loss": facts.get("validation_loss", float("nan"))}
        best = facts.get("best")
        self.best, self.bad = float("inf") if best is None else best, facts.get("bad", 0)
        self.mark = self.best if facts.get("mark") is None else facts["mark"]
        self.stopped, self.begun = facts.get("stopped", ""), facts.get("begun", "")
        self.evaluated = facts.get("evaluated", self.step)
        self.taken_up = True
        if self.group.is_main:
            self.run.forget_metrics_after(self.images)

    @property
    def images(self) -> int:
        """Images seen."""
        return self.step * self.config.batch_size

    def go(self, progress: Progress | None) -> TrainResult:
        config = self.config
        total = -(-config.images // config.batch_size)
        resumed_at = self.images
        save_steps = max(1, config.save_every // config.batch_size)
        # an evaluation that was interrupted is done first, or these weights would never be judged
        due = self.evaluated != self.step and (self.step % save_steps == 0 or self.step == total)
        if (self.step >= total or self.stopped) and not due:
            return self._result(resumed_at, 0.0)
        rows = self._training_rows()
        # what was interrupted before its first step has its start already; another would be picked beside it
        if not self.taken_up and self.learner.begins_with_images:
            self._begin(listening(progress))
        batches = TrainingBatches(
            self.source, rows, self.learner.config.image_size, config.batch_size, config.crop, self.seed, config.whole
        )
        part = self.group.shard(config.batch_size)
        threads = 1 if self.learner.device.type == "cpu" else 4
        self.began = self.since = time.monotonic()
        self.since_images = self.images
        try:
            with start(progress, "training", (total - self.step) * config.batch_size, "images") as task:
                if due:
                    self._evaluate_and_save(progress)
                coming = prefetch(
                    lambda k: batches.batch(k, part), range(self.step, total), depth=2 * threads, threads=threads
                )
                for batch in () if self.stopped else coming:
                    self._step(batch)
                    if len(self.unseen) >= LOOK_EVERY:
                        self._look()
                    if self.step % save_steps == 0 or self.step == total:
                        self._look()
                        self._evaluate_and_save(progress)
                    task.advance(config.batch_size, note=f"loss {self.loss:.4f}" if np.isfinite(self.loss) else "")
                    if self.stopped:
                        break
        except (KeyboardInterrupt, Cancelled):
            self._look(alone=True)
            if self.group.is_main:
                # with patience, nobody knows yet whether these weights are better than those that are kept
                self._save(weights=not self.config.patience)
            raise
        self.group.barrier()
        return self._result(resumed_at, time.monotonic() - self.began)

    def _begin(self, told: Progress) -> None:
        """Lets the learner take its start from images; training has to better what is decoded there already."""
        held_out = self._held_out_images()
        self.begun = self.learner.begin(self._training_images(), held_out)
        if self.begun:
            told.say(self.begun)
        if self.config.patience and held_out is not None:
            self.mark = self.learner.evaluate(held_out)[self.learner.criterion]

    def _step(self, batch: torch.Tensor) -> None:
        try:
            self.unseen.append(self.learner.step(batch, self.step))
        except RuntimeError as error:
            told = hardware.explained(
                error,
                self.learner.device,
                batch_size=self.config.batch_size,
                accumulate=getattr(self.config, "accumulate", None),
                kept=f"the last good state is kept in {self.run.path}",
            )
            if told is None:
                raise
            raise told from error
        self.step += 1

    def _look(self, alone: bool = False) -> None:
        """Reads the metrics of the last steps, averaged over the processes, and stops at the first that is not finite.

        Args:
            alone: whether the other processes may be elsewhere, as after an interrupt
        """
        if not self.unseen:
            return
        names = list(self.unseen[0])
        device = self.learner.device
        table = torch.stack(
            [
                torch.stack([torch.as_tensor(m[n], device=device).detach().float().reshape(()) for n in names])
                for m in self.unseen
            ]
        )
        table = (table if alone else self.group.mean(table)).tolist()
        first = self.step - len(self.unseen)
        self.unseen = []
        for k, values in enumerate(table):
            metrics = dict(zip(names, values, strict=True))
            bad = next((n for n in names if not np.isfinite(metrics[n])), None)
            if bad is not None:
                raise TrainingError(
                    f"the {bad.replace('_', ' ')} became {metrics[bad]} at step {first + k}; the last good state is "
                    f"kept in {self.run.path}; lower lr, raise warmup, or check the images for constant or non-finite "
                    "ones"
                )
            self.seen.append(metrics)
        self.loss = float(np.mean([m["loss"] for m in self.seen[-50:]]))

    def _evaluate_and_save(self, progress: Progress | None) -> None:
        before = self.held_out, self.best, self.mark, self.bad, self.stopped
        try:
            self._evaluate(progress)
        except (KeyboardInterrupt, Cancelled):
            if self.evaluated != self.step:  # done again when training goes on, and judged as if for the first time
                self.held_out, self.best, self.mark, self.bad, self.stopped = before
            raise
        if self.group.size > 1:
            self.stopped = self.group.broadcast(self.stopped)
        self.seen = []
        self.since, self.since_images = time.monotonic(), self.images

    def _evaluate(self, progress: Progress | None) -> None:
        if self.group.is_main:
            seconds = max(time.monotonic() - self.since, 1e-9)
            rate = (self.images - self.since_images) / seconds
            if self.learner.ends_with_images:
                self.learner.end(*self._embedded_images())
            images = self._held_out_images()
            if images is not None:
                self.held_out = self.learner.evaluate(images)
                self._draw(images[:SHOWN])
            better = self._judge(listening(progress))
            self._save(weights=better, evaluated=True)
            means = {k: float(np.mean([m[k] for m in self.seen])) for k in self.seen[0]} if self.seen else {}
            self.run.log(
                {
                    "images": self.images,
                    **means,
                    **self.held_out,
                    "seconds": round(time.monotonic() - self.began, 2),
                    "images_per_second": round(rate, 2),
                }
            )

    def _judge(self, told: Progress) -> bool:
        """Whether the weights are to be kept: always, or with ``patience`` when the held-out criterion is better."""
        criterion = self.learner.criterion
        value = self.held_out.get(criterion)
        if not self.config.patience or value is None:
            return True
        better = value < self.best
        self.best = min(value, self.best)
        if value < (1 - self.config.least_gain) * self.mark:
            self.mark, self.bad = value, 0
            return better
        self.bad += 1
        if self.bad >= self.config.patience and self.images < self.config.images:
            share = f" by {100 * self.config.least_gain:g} %" if self.config.least_gain else ""
            looks = "the last evaluation" if self.bad == 1 else f"the last {self.bad} evaluations"
            self.stopped = (
                f"stopped at {self.images:,} of {self.config.images:,} images: {criterion.replace('_', ' ')} on "
                f"held-out images was not better than {self.mark:.4f}{share} in {looks}; the weights with the best one "
                "are kept"
            )
            told.say(self.stopped)
        return better

    def _training_rows(self) -> list[int]:
        return [i for i, s in enumerate(self.source.splits) if s == "train"] or list(range(len(self.source)))

    def _training_images(self) -> torch.Tensor:
        """Slices of the training split under the view that embeds, the same for every call, (n, C, size, size)."""
        places = [(i, k) for i in self._training_rows() for k in range(self.source.n_slices(i))]
        if len(places) > self._most_shown:
            chosen = np.random.default_rng([self.seed, 11]).choice(len(places), self._most_shown, replace=False)
            places = [places[j] for j in np.sort(chosen)]
        size = self.learner.config.image_size
        return torch.cat([fixed_crop(self.source.read(i, [k]), size, self.config.view) for i, k in places])

    def _embedded_images(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The middle slices of volumes of the training split, those that vectors are made of.

        Returns:
            images (n, C, size, size), the same for every call, and how far each is from the middle of its volume, (n,)
        """
        middle = {i: self._middle(i) for i in self._training_rows()}
        rows = list(middle)
        most = max(1, self._most_shown // max(map(len, middle.values())))
        if len(rows) > most:
            rows = [rows[j] for j in np.sort(np.random.default_rng([self.seed, 13]).choice(len(rows), most, False))]
        size = self.learner.config.image_size
        images = [fixed_crop(self.source.read(i, list(middle[i])), size, self.config.view) for i in rows]
        return torch.cat(images), torch.tensor([k - self.source.n_slices(i) // 2 for i in rows for k in middle[i]])

    def _middle(self, i: int) -> range:
        """The slices of a volume that make its vector, or all where there are fewer."""
        n = self.source.n_slices(i)
        first = max(0, (n - CENTRE_SLICES) // 2)
        return range(first, min(n, first + CENTRE_SLICES))

    @property
    def _most_shown(self) -> int:
        return max(256, min(MOST_SHOWN, SHOWN_VALUES // self.learner.config.image_size**2))

    def _held_out_images(self) -> torch.Tensor | None:
        """The centre slice of the first volumes of the validation split, under the fixed crop."""
        rows = [i for i, s in enumerate(self.source.splits) if s == "val"][:HELD_OUT]
        if not rows:
            return None
        size = self.learner.config.image_size
        return torch.cat(
            [fixed_crop(self.source.read(i, [self.source.n_slices(i) // 2]), size, self.config.view) for i in rows]
        )

    def _draw(self, images: torch.Tensor) -> None:
        metrics = ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in self.held_out.items())
        try:
            save_grid(
                self.run.path / "grids" / f"{self.images:09d}.png",
                images,
                self.learner.reconstruct(images),
                f"{self.images:,} images seen: {metrics}",
            )
        except OSError as error:
            raise CheckpointError(
                f"could not write to {self.run.path / 'grids'}: {error.strerror}; free disk space or set DAEBIAS_HOME"
            ) from error

    def _save(self, weights: bool, evaluated: bool = False) -> None:
        """Writes the checkpoint (with ``weights``) and the state; the state's pointer comes last."""
        if weights:
            save_model(
                self.run.path,
                self.learner.ema(),
                self.learner.config,
                format=self.learner.format,
                images=self.images,
                seed=self.seed,
                crop=self.config.view,
                data_hash=self.source.data_hash,
            )
        loss = float(np.mean([m["loss"] for m in self.seen])) if self.seen else self.loss
        done = self.step if evaluated else self.evaluated
        self.run.save(
            self.step,
            self.learner.state(),
            {
                "loss": loss,
                "held_out": self.held_out,
                "best": self.best if np.isfinite(self.best) else None,
                "mark": self.mark if np.isfinite(self.mark) else None,
                "bad": self.bad,
                "stopped": self.stopped,
                "begun": self.begun,
                "evaluated": done,
            },
        )
        self.evaluated = done

    def _result(self, resumed_at: int, seconds: float) -> TrainResult:
        return TrainResult(
            str(self.run.path),
            read_facts(self.run.path)["sha256"],
            self.images,
            self.loss,
            self.held_out.get("validation_loss", float("nan")),
            round(seconds, 2),
            resumed_at,
            dict(self.held_out),
            self.stopped,
            self.begun,
        )
