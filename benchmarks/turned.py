"""Turned pictures: the threshold is chosen on some subjects' pictures and measured on others'.

Each cohort is split by subject into two halves. On one half of all cohorts but
the one that is asked, the smallest threshold without a false alarm is chosen;
on both halves of the cohort that is asked, which took no part, false alarms
and turned pictures found are counted, with that threshold and the package's.

    python benchmarks/turned.py breast=FOLDER brain=FOLDER [chest=FOLDER] --out turned.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from fiftyone_daebias.quality_control.turned import CLEAR, OTHER_SIDE, SIDE, TURNS, turn_scores
from fiftyone_daebias.statistics.intervals import share_interval

CHEST = Path(__file__).parents[1] / "fiftyone_daebias/demo/cxr_nih64/images"
#: thresholds that may be chosen
CHOICES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: share of the pictures that are turned by hand; of far more the package says nothing, since no rule is clear
PLANTED = 0.02


def read(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pictures and subjects of a folder; of volumes the middle slice in three planes, a cohort each."""
    files = sorted(p for p in folder.iterdir() if p.name.endswith((".png", ".jpg", ".nii.gz")))
    people = np.array([p.name.split("-")[0].split(".")[0][:8] for p in files])
    if not files[0].name.endswith(".nii.gz"):
        return {"": (np.stack([_small(cv2.imread(str(p), 0)) for p in files]), people)}
    import nibabel

    volumes = [np.asarray(nibabel.load(p).dataobj, np.float32) for p in files]
    return {
        f" plane {a}": (np.stack([_small(np.take(v, v.shape[a] // 2, a)) for v in volumes]), people) for a in range(3)
    }


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def shares(pictures: np.ndarray, people: np.ndarray, turn) -> np.ndarray | None:
    """Scores as shares of their middle; ``None`` where the turn cannot be told in this cohort."""
    scores = turn_scores(pictures, people, turn)
    middle = float(np.median(scores))
    spread = 1.4826 * float(np.median(np.abs(scores - middle)))
    return None if middle < CLEAR * spread or middle <= 0.2 else scores / middle


def measure(pictures: np.ndarray, people: np.ndarray, seed: int) -> dict:
    """The lowest share of each turn among pictures as they are, and the shares of some that were turned."""
    out = {}
    for name, turn in TURNS.items():
        clean = shares(pictures, people, turn)
        if clean is None:
            continue
        chosen = np.random.default_rng(seed).permutation(len(pictures))[: round(PLANTED * len(pictures))]
        changed = pictures.copy()
        changed[chosen] = turn(pictures[chosen])
        again = shares(changed, people, turn)
        out[name] = {
            "clean": np.sort(clean)[:20].tolist(),
            "planted": [0.0] * len(chosen) if again is None else again[chosen].tolist(),
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohorts", nargs="*", help="NAME=FOLDER")
    parser.add_argument("--out", type=Path, default=Path("turned.json"))
    args = parser.parse_args()
    folders = {"chest": CHEST} | {n: Path(f) for n, _, f in (c.partition("=") for c in args.cohorts)}
    got: dict[str, dict] = {}
    for name, folder in folders.items():
        for part, (pictures, people) in read(folder).items():
            who = np.unique(people)
            first = set(np.random.default_rng(0).permutation(who)[: len(who) // 2].tolist())
            inside = np.isin(people, list(first))
            for half, mask in (("a", inside), ("b", ~inside)):
                key = f"{name}{part}"
                got.setdefault(key, {"n": {}})["n"][half] = int(mask.sum())
                got[key][half] = measure(pictures[mask], people[mask], 1)
                print(key, half, {k: round(v["clean"][0], 2) for k, v in got[key][half].items()}, flush=True)
    args.out.write_text(json.dumps(got, indent=1))
    for asked in folders:
        own = [k for k in got if k.split(" ")[0] == asked]
        worst = [v["clean"][0] for k in got if k not in own for v in got[k]["a"].values()]
        chosen = next((c for c in CHOICES if all(w > -c for w in worst)), CHOICES[-1])
        for label, limit in (("chosen elsewhere", chosen), ("the package's", OTHER_SIDE)):
            n = false = planted = found = 0
            for key in own:
                for half in ("a", "b"):
                    n += got[key]["n"][half]
                    turns = got[key][half].values()
                    false += max((sum(c < -limit for c in t["clean"]) for t in turns), default=0)
                    planted += sum(len(t["planted"]) for t in turns)
                    found += sum(p < -limit for t in turns for p in t["planted"])
            print(f"{asked}: threshold {limit} ({label}): false {_share(false, n)}; found {_share(found, planted)}")


def _share(k: int, n: int) -> str:
    low, high = share_interval(k, n)
    return f"{k}/{n} = {k / max(n, 1):.4f} [{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    main()
