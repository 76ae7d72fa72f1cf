"""Images per second of training and of embedding, each baseline beside the autoencoder in the same run.

    python benchmarks/baselines.py [--quick] [--threads 1] [--device cpu] [--out baselines.json]

At 64 px the presets for a CPU, at 128 px the same architectures one level deeper, since the 128 px presets are for a
GPU (with --device cuda those are timed). Images are random and in memory, so that only the networks are timed; a
StyleGAN2's two stages are timed apart. Every figure is the median of several steps after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

import numpy as np
import torch

from fiftyone_daebias.baselines.encoder import count_parameters
from fiftyone_daebias.baselines.learn_gan import StyleGanLearner
from fiftyone_daebias.baselines.learn_supervised import SupervisedLearner
from fiftyone_daebias.baselines.learn_vae import BetaVaeLearner
from fiftyone_daebias.baselines.presets import load_baseline_preset
from fiftyone_daebias.baselines.supervised import NETWORKS
from fiftyone_daebias.dae.config import load_preset
from fiftyone_daebias.dae.learn_dae import DaeLearner

BATCH = 32


def learners(size: int, device: str) -> dict:
    """``{name: makes its learner}`` at a size."""
    gpu = device != "cpu" and size == 128
    dae = load_preset("workstation-128" if gpu else "cpu-lite")
    vae, gan, net = (
        load_baseline_preset(m, f"{m}-128" if gpu else None) for m in ("beta-vae", "stylegan2", "resnet10")
    )
    if gpu:
        net = load_baseline_preset("resnet10", "supervised-128")
    one, two, three = dae.model, vae.config, gan.config
    if size == 128 and not gpu:
        one = replace(one, image_size=128, attention=(16,), lite_encoder_channels=(32, *one.lite_encoder_channels))
        two = replace(two, image_size=128, channels=(32, *two.channels), decoder_channels=(*two.decoder_channels, 64))
        three = replace(three, image_size=128, encoder_channels=(32, *three.encoder_channels))
    many = {"images": 10_000_000, "batch_size": BATCH}
    questions = (
        {"field": "sex", "classes": ["f", "m"], "centre": 0.0, "spread": 1.0},
        {"field": "age", "classes": [], "centre": 50.0, "spread": 10.0},
    )
    out = {
        "dae": lambda: DaeLearner(one, replace(dae.train, **many), device=device, compiled=False),
        "beta-vae": lambda: BetaVaeLearner(two, replace(vae.train, **many), device=device),
        "stylegan2": lambda: StyleGanLearner(three, replace(gan.train, **many), device=device),
    }
    for name in NETWORKS:
        config = replace(net.config, network=name, image_size=size, questions=questions)
        answers = np.zeros((BATCH, 2), np.float32), np.ones((BATCH, 2), np.float32)
        out[name] = lambda config=config, answers=answers: SupervisedLearner(
            config, replace(net.train, **many), *answers, lambda step: list(range(BATCH)), [], device=device
        )
    return out


def rate(work, repeats: int, device: str) -> float:
    """Images per second: the batch over the median time of ``work(k)`` after two calls to warm up."""
    times = []
    for k in range(repeats + 2):
        began = time.perf_counter()
        work(k)
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return BATCH / float(np.median(times[2:]))


def measured(learner, size: int, device: str, quick: bool) -> dict:
    """Parameters and images per second of one learner."""
    x, repeats = torch.rand(BATCH, 1, size, size) * 2 - 1, 5 if quick else 12
    out = {"parameters": count_parameters(learner.model)}
    if isinstance(learner, StyleGanLearner):
        # lazy penalties come every 16 steps: a GAN is timed over whole rounds of them
        steps = 16 if quick else 32
        learner.step(x, 1)
        began = time.perf_counter()
        for k in range(steps):
            learner.step(x, k)
        out["gan"] = steps * BATCH / (time.perf_counter() - began)
        out["inversion"] = rate(lambda k: learner.step(x, learner.gan_steps + 1 + k), repeats, device)
        share = learner.config.gan_share
        out["training"] = 1 / (share / out["gan"] + (1 - share) / out["inversion"])
    else:
        out["training"] = rate(lambda k: learner.step(x, k), repeats, device)
    on = x.to(device)
    out["embedding"] = rate(lambda k: learner.averaged.encode(on), repeats, device)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="64 px only, few steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", default="baselines.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    print(f"{args.device}, {args.threads} threads, batch {BATCH}\n")
    print(f"{'':13} {'px':>4} {'parameters':>11} {'training':>10} {'embedding':>10}   images/s", flush=True)
    for size in (64,) if args.quick else (64, 128):
        for name, make in learners(size, args.device).items():
            row = {"model": name, "size": size, **measured(make(), size, args.device, args.quick)}
            rows.append(row)
            cells = f"{row['parameters'] / 1e6:9.1f} M {row['training']:10.0f} {row['embedding']:10.0f}"
            stages = f"   (GAN {row['gan']:.0f}, inversion {row['inversion']:.0f})" if "gan" in row else ""
            print(f"{name:13} {size:4} {cells}{stages}", flush=True)
    with open(args.out, "w") as out:
        json.dump({"device": args.device, "threads": args.threads, "batch": BATCH, "rows": rows}, out, indent=1)


if __name__ == "__main__":
    main()
