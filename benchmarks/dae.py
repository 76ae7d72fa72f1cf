"""How fast the autoencoder encodes, trains and embeds, beside what this machine could do; all in one run.

    python benchmarks/dae.py [--quick] [--device cpu] [--images 4000] [--out dae.json]

1. encode: images a second of each preset's encoder, as a share of the best rate at which this device runs a 3 x 3
   convolution, measured here in the same type.
2. train: images a second of the training step beside a plain loop around the same network (fp32, no compiling, no
   channels last, averages one by one, batches read between the steps).
3. embed: from the slice cache to vectors in the database, beside encoding alone what is already in memory.

On a CPU, encoding and training are timed in CPU seconds of this process, with one thread, so that others on the
machine count less; embedding is timed by the clock. Every figure is the best of several repetitions.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import time
import uuid
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from fiftyone_daebias.dae import hardware
from fiftyone_daebias.dae.batches import TrainingBatches
from fiftyone_daebias.dae.config import load_preset
from fiftyone_daebias.dae.cost import cost_of
from fiftyone_daebias.dae.learn_dae import DaeLearner
from fiftyone_daebias.dae.model import build

#: channels and side of the convolutions whose best rate is "attainable"
SHAPES = ((64, 32), (64, 64), (128, 32), (128, 64), (256, 16), (512, 8))


def clock(device: torch.device) -> float:
    """Seconds: of this process's CPU where it computes, else of the wall."""
    return time.process_time() if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter()


def best(run, device, seconds: float, least: int = 3) -> float:
    """Seconds of the fastest of several runs, repeated for about ``seconds``."""
    run()
    fastest, spent, k = float("inf"), 0.0, 0
    while k < least or spent < seconds:
        t = clock(device)
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        took = clock(device) - t
        fastest, spent, k = min(fastest, took), spent + took, k + 1
    return fastest


@torch.no_grad()
def attainable(device: torch.device, seconds: float, stride: int) -> float:
    """The best rate of a 3 x 3 convolution over shapes, strides, batches and layouts, 10⁹ operations a second.

    With stride 2, as most of the lite encoder's are, a library cannot save multiplications (Winograd); with stride 1
    it may, and then does more operations a second than the device has.
    """
    rate = 0.0
    for channels, side in SHAPES:
        few = max(1, 2**18 // (channels * side * side))
        for batch, layout in itertools.product({few, 4 * few}, (torch.contiguous_format, torch.channels_last)):
            x = torch.randn(batch, channels, side, side, device=device).to(memory_format=layout)
            w = torch.randn(channels, channels, 3, 3, device=device).to(memory_format=layout)
            took = best(lambda x=x, w=w: F.conv2d(x, w, stride=stride, padding=1), device, seconds)
            rate = max(rate, 2 * batch * channels**2 * 9 * (side // stride) ** 2 / took / 1e9)
    return rate


def encoding(names, device, seconds: float, peak: dict[str, float]) -> list[dict]:
    rows = []
    for name in names:
        preset = load_preset(name)
        config = preset.model
        model = build(config).to(device, memory_format=hardware.memory_format(device)).eval()
        gflop = cost_of(config, preset.train).encoder_gflop
        batch = max(4, min(64, int(8 / gflop)))
        x = torch.rand(batch, 1, config.image_size, config.image_size, device=device) * 2 - 1
        rate = batch / best(lambda m=model, x=x: m.encode(x), device, seconds)
        rows.append(
            {
                "preset": name,
                "batch": batch,
                "images/s": rate,
                "GFLOP an image": gflop,
                "GFLOP/s": rate * gflop,
                **{f"share of {k}": rate * gflop / v for k, v in peak.items()},
            }
        )
    return rows


class Plain:
    """The same network in a plain loop: what one writes first."""

    def __init__(self, config, train, device):
        self.model, self.train, self.device = build(config).to(device), train, device
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=train.lr, foreach=False)

    def step(self, batch, step) -> None:
        x = batch.to(self.device)
        t = torch.randint(1000, (len(x),), device=self.device)
        self.model.train()
        self.optimizer.zero_grad()
        loss = self.model(x, t, torch.randn_like(x))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.train.clip)
        self.optimizer.step()
        for key, value in self.model.state_dict().items():
            self.average[key].mul_(self.train.ema).add_(value, alpha=1 - self.train.ema)
        loss.item()


def training(names, source, device, steps: int) -> list[dict]:
    from fiftyone_daebias.dae.prefetch import prefetch

    rows = []
    for name in names:
        preset = load_preset(name)
        size = preset.train.batch_size if device.type == "cuda" else min(preset.train.batch_size, 32)
        train = replace(preset.train, batch_size=size, accumulate=1)
        if preset.model.image_size > 64 and device.type == "cpu":
            train = replace(train, batch_size=4)
        batches = TrainingBatches(
            source, range(len(source)), preset.model.image_size, train.batch_size, train.crop, seed=0
        )
        learner, plain = DaeLearner(preset.model, train, device=device), Plain(preset.model, train, device)

        def ours(count, learner=learner, batches=batches):
            for k, batch in enumerate(prefetch(batches.batch, range(count), depth=2)):
                learner.step(batch, k)

        def theirs(count, plain=plain, batches=batches):
            for k in range(count):
                plain.step(batches.batch(k), k)

        rate = {}
        for key, run in (("here", ours), ("plain", theirs)):
            run(2)
            took = []
            for _ in range(3):
                t = clock(device)
                run(steps)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                took.append(clock(device) - t)
            rate[key] = steps * train.batch_size / min(took)
        rows.append(
            {
                "preset": name,
                "batch": train.batch_size,
                **{f"{k} images/s": v for k, v in rate.items()},
                "ratio": rate["here"] / rate["plain"],
            }
        )
    return rows


def embedding(images: int, device, quick: bool) -> list[dict]:
    """A cohort of single slices and one of volumes of 12, from the cache to the database."""
    import fiftyone as fo

    from fiftyone_daebias.cohort.slice_cache import SliceCache
    from fiftyone_daebias.cohort.slices import SliceSource
    from fiftyone_daebias.dae.batches import fixed_crop
    from fiftyone_daebias.embeddings.samples import encode_samples

    rows = []
    kinds = (("cpu-lite", 12, 128), ("cpu-lite", 1, 64), ("workstation-128", 12, 128))
    for preset, n_slices, side in kinds[: 2 if quick else 3]:
        config = load_preset(preset).model
        model = build(config).to(device, memory_format=hardware.memory_format(device)).eval()
        total = images if preset == "cpu-lite" else max(60, images // 40)
        n = total // n_slices
        rng = np.random.default_rng(0)
        name = f"benchmark-{uuid.uuid4().hex[:8]}"
        dataset = fo.Dataset(name)
        cache = SliceCache()
        try:
            dataset.add_samples([fo.Sample(filepath=f"/nowhere/{k}.png") for k in range(n)], progress=False)
            keys = [f"{name}-{k}" for k in range(n)]
            for key in keys:
                cache.add(key, rng.integers(0, 1000, (n_slices, side, side), dtype=np.int16))
            ids = [str(i) for i in dataset.values("id")]
            source = SliceSource(ids, ids, ["train"] * n, [None] * n, keys, cache, name)
            ready = [fixed_crop(source.read(i), config.image_size, 0.9) for i in range(n)]
            per_batch = max(1, 64 // n_slices)
            parts = [torch.cat(ready[k : k + per_batch]).to(device) for k in range(0, n, per_batch)]
            alone, whole, computing, process = [], [], [], []
            for turn in range(3):
                t, c = time.perf_counter(), time.process_time()
                for part in parts:
                    model.encode(part).cpu()
                alone.append(time.perf_counter() - t)
                computing.append(time.process_time() - c)
                if dataset.has_field("dae_embedding"):
                    dataset.delete_sample_field("dae_embedding")
                settings = {
                    "model": "dae",
                    "checkpoint_hash": str(turn),
                    "n_slices": n_slices,
                    "pool": "concat",
                    "crop": 0.9,
                }
                t, c = time.perf_counter(), time.process_time()
                encode_samples(dataset, model, source, settings, batch_size=64)
                whole.append(time.perf_counter() - t)
                process.append(time.process_time() - c)
            rows.append(
                {
                    "preset": preset,
                    "samples": n,
                    "slices a sample": n_slices,
                    "encode s": min(alone),
                    "cache to database s": min(whole),
                    "share of encode": min(alone) / min(whole),
                    "share in CPU time": min(computing) / min(process),
                }
            )
        finally:
            dataset.delete()
    return rows


def show(title: str, rows: list[dict]) -> None:
    print(f"\n{title}")
    names = list(rows[0])
    cells = [names] + [[f"{v:,.3g}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(names))]
    for row in cells:
        print("  ".join(text.rjust(w) for text, w in zip(row, widths, strict=True)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the demo's preset only, fewer repetitions")
    parser.add_argument("--device", help="default: the best there is")
    parser.add_argument("--images", type=int, default=4_000, help="slices to embed (default: 4000)")
    parser.add_argument("--out", default="dae.json")
    args = parser.parse_args()
    from fiftyone_daebias.dae.samples import pick_device

    device = pick_device(args.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    seconds = 0.3 if args.quick else 1.0
    presets = ["cpu-lite"] if args.quick else ["cpu-lite", "workstation-128", "official-64"]
    peak = {f"stride {k}": attainable(device, seconds / 5, k) for k in (2, 1)}
    rates = ", ".join(f"{v:,.0f} with {k}" for k, v in peak.items())
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, {device}; "
        f"best 3 x 3 convolutions in float32, GFLOP/s: {rates}"
    )
    found = {"device": str(device), "threads": torch.get_num_threads(), "attainable GFLOP/s": peak}
    found["encode"] = encoding(presets, device, seconds, peak)
    show("encode", found["encode"])
    source = _Slices()
    found["train"] = training(presets[:2], source, device, 5 if args.quick else 10)
    show("train", found["train"])
    found["embed"] = embedding(args.images // (4 if args.quick else 1), device, args.quick)
    show("embed", found["embed"])
    with open(args.out, "w") as out:
        json.dump(found, out, indent=1)


class _Slices:
    """Noise in the shape of a cohort, in memory."""

    def __init__(self, n: int = 256, side: int = 160):
        rng = np.random.default_rng(0)
        self.volumes = rng.uniform(-1, 1, (n, 1, side, side)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.volumes)

    def n_slices(self, i: int) -> int:
        return 1

    def read(self, i: int, which) -> np.ndarray:
        return self.volumes[i][list(which)]


if __name__ == "__main__":
    main()
