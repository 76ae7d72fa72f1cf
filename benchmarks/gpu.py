"""How fast presets train on this device, what they cost, and what their vectors know; without a database.

    python benchmarks/gpu.py CACHE.npz [--presets workstation-128 official-64] [--minutes 8] [--device cuda]
                             [--out gpu]

CACHE.npz is a cohort as slice arrays, as benchmarks/embedding.py writes them to OUT/cohorts: one file to carry to the
machine with the GPU. For each preset: images a second of the training step in float32 and, where the device has it, in
bfloat16, as written and compiled, beside a plain loop; what that is of the device's own best convolution, measured
here; the share of a step that reading takes (batches are cropped and resized on the device); memory; then a training
for so many minutes, resumable, and the scores of its vectors beside PCA. Where there is no GPU it runs on the CPU: set
--minutes and --batch low. Writes OUT/gpu.json, and OUT/PRESET/ with weights and their card.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from embedding import _fields
from embedding_cohorts import Slices
from embedding_scores import draws_of, interval, predictions, questions, score

from fiftyone_daebias.baselines.references import ReferenceConfig, fit_components
from fiftyone_daebias.dae import hardware
from fiftyone_daebias.dae.checkpoint import load_model, read_facts, save_model
from fiftyone_daebias.dae.config import load_preset
from fiftyone_daebias.dae.cost import cost_of
from fiftyone_daebias.dae.learn_dae import DaeLearner
from fiftyone_daebias.dae.view import padded
from fiftyone_daebias.embeddings.encode import centre_indices

#: longer side of slices kept on the device, pixels
SIDE = 256
SHAPES = ((64, 64), (128, 64), (256, 32), (512, 16))


class OnDevice:
    """All slices of a cohort on the device as bytes; batches are cropped and resized there, in one call.

    Args:
        cohort: the slices
        device: where to
        side: pixels to which squares are brought, unless they are smaller
    """

    def __init__(self, cohort: Slices, device: torch.device, side: int = SIDE):
        largest = max(max(v.shape[1:]) for v in cohort.volumes)
        self.side, squares, owner = min(side, largest), [], []
        for i in range(len(cohort)):
            x = torch.from_numpy(padded(cohort.read(i)))[:, None]
            if x.shape[-1] != self.side:
                size = (self.side, self.side)
                x = F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
            squares.append(((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))
            owner += [i] * len(x)
        self.slices = torch.cat(squares).to(device)
        self.owner = np.array(owner)
        self.train = torch.from_numpy(np.flatnonzero([cohort.splits[i] == "train" for i in owner])).to(device)
        self.device = device

    def batch(self, count: int, size: int, crop: float, rng: torch.Generator) -> torch.Tensor:
        """``count`` random crops, float32 (count, 1, size, size) in [-1, 1]; sides are between ``crop`` and 1."""
        rows = self.train[torch.randint(len(self.train), (count,), generator=rng, device=self.device)]
        draws = torch.rand(3, count, generator=rng, device=self.device)
        share = crop + (1 - crop) * draws[0]
        # the square [-1, 1]² of the output, shrunk and moved inside that of the slice
        maps = torch.zeros(count, 2, 3, device=self.device)
        maps[:, 0, 0] = maps[:, 1, 1] = share
        maps[:, :, 2] = ((2 * draws[1:] - 1) * (1 - share)).T
        x = self.slices[rows].float() / 127.5 - 1
        # grid_sample does not filter: bring the slices near the wanted size first
        if self.side > size:
            near = max(size, round(size / crop))
            x = F.interpolate(x, size=(near, near), mode="bilinear", antialias=True, align_corners=False)
        grid = F.affine_grid(maps, (count, 1, size, size), align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False).clamp_(-1, 1)

    def centre(self, rows: np.ndarray, size: int) -> torch.Tensor:
        """Whole slices at ``size`` pixels, float32 (n, 1, size, size)."""
        x = self.slices[torch.from_numpy(rows).to(self.device)].float() / 127.5 - 1
        if self.side == size:
            return x
        return F.interpolate(x, size=(size, size), mode="bilinear", antialias=self.side > size, align_corners=False)


def synchronised(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def attainable(device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    """The best rate of a 3 x 3 convolution, 10⁹ operations a second."""
    best = 0.0
    for channels, side in SHAPES:
        count = 64 if device.type == "cuda" else 1
        x = torch.randn(count, channels, side, side, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        w = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        F.conv2d(x, w, padding=1)
        began, runs = synchronised(device), 0
        while (took := synchronised(device) - began) < seconds or not runs:
            for _ in range(8):
                F.conv2d(x, w, padding=1)
            runs += 8
        best = max(best, 2 * count * channels**2 * 9 * side**2 * runs / (synchronised(device) - began) / 1e9)
        del took
    return best


def rates(preset, data: OnDevice, device: torch.device, steps: int, batch: int) -> list[dict]:
    """Images a second of the training step, as written here, compiled, and in a plain loop."""
    config, train = preset.model, replace(preset.train, batch_size=batch, accumulate=1)
    gflop = cost_of(config, train).training_gflop
    fast = hardware.fast_dtype(device)
    rows = []
    for name, dtype, compiled in (
        ("float32", None, False),
        ("bfloat16", fast, False),
        ("bfloat16 compiled", fast, True),
        ("plain loop", None, False),
    ):
        if "bfloat16" in name and fast is None:
            continue
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        learner = DaeLearner(config, train, device=device, compiled=compiled)
        rng = torch.Generator(device).manual_seed(0)
        context = _float32() if dtype is None else nullcontext()
        with context:
            step = _plain(learner) if name == "plain loop" else learner.step
            for k in range(2 + 4 * compiled):
                step(data.batch(batch, config.image_size, train.crop, rng), k)
            began, reading = synchronised(device), 0.0
            for k in range(steps):
                t = synchronised(device)
                x = data.batch(batch, config.image_size, train.crop, rng)
                reading += synchronised(device) - t
                step(x, 10 + k)
            took = synchronised(device) - began
        rows.append(
            {
                "how": name,
                "images/s": steps * batch / took,
                "GFLOP/s": steps * batch * gflop / took,
                "share read": reading / took,
                "GB": torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None,
            }
        )
        show(rows[-1])
    return rows


class _float32:
    """Inside, mixed precision is off."""

    def __enter__(self):
        self.kept, hardware.autocast = hardware.autocast, lambda device: nullcontext()

    def __exit__(self, *error):
        hardware.autocast = self.kept


def _plain(learner: DaeLearner):
    """The same network as one would first write its training."""
    model, optimizer = learner.model, torch.optim.AdamW(learner.model.parameters(), lr=1e-4, foreach=False)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}

    def step(batch, k):
        t = torch.randint(learner.config.steps, (len(batch),), device=batch.device)
        optimizer.zero_grad()
        loss = model(batch, t, torch.randn_like(batch))
        loss.backward()
        optimizer.step()
        for key, value in model.state_dict().items():
            average[key].mul_(0.999).add_(value, alpha=0.001)
        return {"loss": loss.item()}

    return step


def trained(preset, data: OnDevice, device: torch.device, minutes: float, batch: int, folder: Path) -> dict:
    """Trains for so many minutes in all, going on from the folder's last state; leaves weights and their card."""
    from safetensors.torch import load_file, save_file

    train = replace(preset.train, batch_size=batch, accumulate=1)
    learner = DaeLearner(preset.model, train, device=device)
    folder.mkdir(parents=True, exist_ok=True)
    state, facts = folder / "state.safetensors", {"step": 0, "seconds": 0.0}
    if state.is_file():
        facts = json.loads((folder / "state.json").read_text())
        learner.load_state(load_file(state))
    size, rng = preset.model.image_size, torch.Generator(device)
    some = data.centre(
        data.train[torch.linspace(0, len(data.train) - 1, min(2048, len(data.train))).long()].cpu().numpy(), size
    ).cpu()
    if not facts["step"] and learner.begins_with_images:
        learner.begin(some, None)
    began, step, losses = synchronised(device), facts["step"], []
    while (spent := facts["seconds"] + time.perf_counter() - began) < 60 * minutes or not step:
        rng.manual_seed(step)
        losses.append(learner.step(data.batch(batch, size, train.crop, rng), step)["loss"])
        step += 1
    if learner.ends_with_images:
        learner.end(some, torch.zeros(len(some)))
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in learner.state().items()}, state)
    (folder / "state.json").write_text(json.dumps({"step": step, "seconds": spent}))
    save_model(
        folder,
        learner.ema(),
        preset.model,
        images=step * batch,
        seed=learner.seed,
        crop=train.view,
        minutes=round(spent / 60, 2),
        device=str(device),
    )
    loss = float(torch.stack([x.detach() for x in losses[-50:]]).mean()) if losses else float("nan")
    return {"images": step * batch, "seconds": spent, "loss": loss, "sha256": read_facts(folder)["sha256"]}


@torch.no_grad()
def probes(cohort: Slices, data: OnDevice, folder: Path, device: torch.device) -> list[dict]:
    """What the vectors know, beside PCA of the same slices."""
    model = load_model(folder, device)
    first = np.searchsorted(data.owner, np.arange(len(cohort)))
    rows = np.concatenate(
        [first[i] + np.array(centre_indices(cohort.n_slices(i), cohort.n_embedded)) for i in range(len(cohort))]
    )
    parts = np.array_split(rows, len(rows) // 64 + 1)
    codes = torch.cat([model.encode(data.centre(r, model.image_size)).cpu() for r in parts])
    small = torch.cat([data.centre(r, 64).cpu() for r in parts]).flatten(1)
    state, _, _ = fit_components(cohort, ReferenceConfig(), 51, None)
    pca = (small - state["mean"]) @ state["axes"].T
    out = []
    for question in questions(cohort.table, _fields(cohort), cohort.subjects):
        draws = draws_of(question, cohort.subjects, 1000)
        answers = [
            predictions(v.reshape(len(cohort), -1).numpy(), cohort.n_embedded, question, cohort.subjects, 51)[0]
            for v in (codes, pca)
        ]
        mine, theirs = (score(question, a, draws) for a in answers)
        gain = mine - theirs if question.classes else (theirs - mine) / theirs[0]
        out.append({"field": question.name, "dae": interval(mine), "pca": interval(theirs), "gain": interval(gain)})
        show(out[-1])
    return out


def show(row: dict) -> None:
    def told(v):
        if isinstance(v, tuple):
            return f"{v[0]:.3f} ({v[1]:.3f} to {v[2]:.3f})"
        return f"{v:,.3g}" if isinstance(v, float) else v

    print("   ", ", ".join(f"{k} {told(v)}" for k, v in row.items() if v is not None), flush=True)


def main(argv: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--presets", nargs="+", default=["workstation-128", "official-64"])
    parser.add_argument("--minutes", type=float, default=8.0, help="of training, in all, for each preset")
    parser.add_argument("--steps", type=int, default=20, help="steps timed in each way")
    parser.add_argument("--batch", type=int, help="images a step; default: the preset's")
    parser.add_argument("--device")
    parser.add_argument("--out", type=Path, default=Path("gpu"))
    args = parser.parse_args(argv)
    from fiftyone_daebias.dae.samples import pick_device

    device = pick_device(args.device)
    cohort = Slices.load(args.cache, args.cache.stem.rstrip("0123456789"))
    data = OnDevice(cohort, device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    found = {
        "device": name,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cohort": cohort.name,
        "slices": len(data.slices),
    }
    types = [torch.float32] + ([torch.bfloat16] if hardware.fast_dtype(device) else [])
    found["attainable GFLOP/s"] = {str(t): attainable(device, t, 0.2) for t in types}
    print(json.dumps(found, indent=1), flush=True)
    for name in args.presets:
        preset = load_preset(name)
        batch = args.batch or preset.train.batch_size
        print(name)
        found[name] = {
            "rates": rates(preset, data, device, args.steps, batch),
            "training": trained(preset, data, device, args.minutes, batch, args.out / name),
        }
        show(found[name]["training"])
        found[name]["probes"] = probes(cohort, data, args.out / name, device)
        (args.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    main()
