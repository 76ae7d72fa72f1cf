"""What do embeddings know? Every subject held out once; paired differences from PCA with subject-bootstrap intervals.

    python benchmarks/embedding.py --cohorts nih [--data FOLDER] [--rows pca pixels random dae]
                                   [--seeds 1] [--subjects 1000] [--out embedding]

Cohorts: nih (comes with the package), phantom (drawn here), ixi and busbra (from FOLDER/ixi_tiny and
FOLDER/busbra_us), dataset:NAME (any registered dataset; the only one that needs the database).
Rows: pca, pixels, random; dae as it trains by default, which stops by itself; dae, beta-vae, stylegan2 and resnet10
with the images that their training sees, as in dae:19200; dae-plain:19200 is the autoencoder without what the preset
adds to it (crops of the shorter side, no principal components, codes as they are); dae-white:19200 keeps the whole
slice and leaves evening out;
A+B puts the vectors of two rows side by side.

Nothing but the training split's images is trained on, labels of held-out subjects are never seen, and every
embedding is read in the same way (see embedding_scores.py). resnet10 learns labels, anew in each of five folds. Run
again it goes on where it was: trainings, vectors and predictions are kept in OUT. Writes OUT/results.json.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from embedding_cohorts import FIELDS, Slices, open_cohort
from embedding_scores import Question, draws_of, interval, predictions, questions, score

from fiftyone_daebias.baselines.learn_gan import StyleGanLearner
from fiftyone_daebias.baselines.learn_vae import BetaVaeLearner
from fiftyone_daebias.baselines.presets import load_baseline_preset
from fiftyone_daebias.baselines.references import _CLASSES, ReferenceConfig, fit_components
from fiftyone_daebias.dae import trainer
from fiftyone_daebias.dae.config import load_preset
from fiftyone_daebias.dae.encoder import seeded
from fiftyone_daebias.dae.learn_dae import DaeLearner
from fiftyone_daebias.dae.view import WHOLE
from fiftyone_daebias.embeddings.encode import encode_volumes
from fiftyone_daebias.embeddings.encoders import load_encoder

DRAWS = 2000
PLAIN = {"z_dim": 128, "components": 0, "energies": 0, "sketch": False, "evened": False}


class Row:
    """One embedding of one cohort and seed: its vectors, what it cost, its predictions."""

    def __init__(self, cohort: Slices, name: str, seed: int, out: Path, preset: str):
        self.cohort, self.name, self.seed, self.preset = cohort, name, seed, preset
        self.kind, _, images = name.partition(":")
        self.images = int(images or 0)
        stem = name.replace(":", "-").replace("+", "_and_")
        self.folder = out / cohort.name.replace(":", "-") / f"{stem}-{seed}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def vectors(self) -> np.ndarray:
        """float32 (n, d)."""
        path = self.folder / "vectors.npz"
        if path.is_file():
            with np.load(path) as f:
                return f["vectors"]
        matrix, seconds = self._made()
        np.savez(path, vectors=matrix, seconds=seconds)
        return matrix

    def seconds(self) -> float:
        """CPU seconds that its training took; 0 where none was needed or it learnt in each fold."""
        path = self.folder / "vectors.npz"
        if not path.is_file():
            return 0.0
        with np.load(path) as f:
            return float(f["seconds"])

    def answers(self, question: Question, seed: int) -> np.ndarray:
        """Out-of-fold predictions of a field."""
        path = self.folder / f"answers-{question.name}.npz"
        if path.is_file():
            with np.load(path) as f:
                return f["predicted"]
        if self.kind.startswith("resnet"):
            self._supervised()
            return self.answers(question, seed)
        n_slices = self.cohort.n_embedded if "+" not in self.name else 1
        predicted, chosen = predictions(self.vectors(), n_slices, question, self.cohort.subjects, seed)
        np.savez(path, predicted=predicted, chosen=json.dumps(chosen))
        return predicted

    def _made(self) -> tuple[np.ndarray, float]:
        if "+" in self.name:
            parts = [Row(self.cohort, p, self.seed, self.folder.parents[1], self.preset) for p in self.name.split("+")]
            return side_by_side([p.vectors() for p in parts], self.cohort.n_embedded), sum(p.seconds() for p in parts)
        began = time.process_time()
        if self.kind in _CLASSES:
            config, crop = ReferenceConfig(), WHOLE
            if self.kind == "pca":
                state, _, config = fit_components(self.cohort, config, self.seed, None)
                encoder = _CLASSES["pca"](config)
                encoder.load_state_dict(state)
            else:
                encoder = seeded(lambda: _CLASSES[self.kind](config), self.seed)
            encoder.eval()
        else:
            learner, config = self._learner()
            if not (self.folder / "model.json").is_file() or self._unfinished(config):
                trainer.train(self.cohort, self.folder, learner, config, seed=self.seed)  # at once where it stopped
            encoder, crop = load_encoder(self.folder), config.view
        seconds = time.process_time() - began
        found = dict(
            encode_volumes(encoder, self.cohort, range(len(self.cohort)), n_slices=self.cohort.n_embedded, crop=crop)
        )
        return np.stack([found[i] for i in range(len(self.cohort))]), seconds

    def _unfinished(self, config) -> bool:
        return json.loads((self.folder / "model.json").read_text())["images"] < config.images

    def _learner(self):
        if self.kind.startswith("dae"):
            preset = load_preset(self.preset)
            model, train = preset.model, preset.train
            if self.images:
                train = replace(train, images=self.images, patience=0)
            if self.kind == "dae-plain":
                model, train = replace(model, **PLAIN), replace(train, whole=False)
            elif self.kind == "dae-white":
                model = replace(model, evened=False)
            return DaeLearner(model, train, seed=self.seed), train
        preset = load_baseline_preset(self.kind, images=self.images)
        make = {"beta-vae": BetaVaeLearner, "stylegan2": StyleGanLearner}[self.kind]
        return make(preset.config, preset.train, seed=self.seed), preset.train

    def _supervised(self) -> None:
        """A network on labels, trained in every fold with one head a field; leaves the answers to all fields."""
        from fiftyone_daebias.baselines.train_baseline import load_baseline, supervised_learner
        from fiftyone_daebias.dae.batches import fixed_crop
        from fiftyone_daebias.embeddings.encode import centre_indices
        from fiftyone_daebias.statistics.targets import Target

        cohort, preset = self.cohort, load_baseline_preset(self.kind, images=self.images)
        asked = questions(cohort.table, _fields(cohort), cohort.subjects)
        targets = [
            Target(
                q.name,
                "binary" if len(q.classes) == 2 else "multiclass" if q.classes else "numeric",
                q.rows,
                q.values,
                q.classes,
                (),
            )
            for q in asked
        ]
        names = np.unique(cohort.subjects)
        fold_of = dict(
            zip(np.random.default_rng([self.seed, 5]).permutation(names), np.arange(len(names)) % 5, strict=True)
        )
        fold = np.array([fold_of[s] for s in cohort.subjects])
        out = [np.zeros((len(q.rows), max(1, len(q.classes)))) for q in asked]
        for f in range(5):
            part = replace(cohort)
            splits = ["test" if k == f else "val" if i % 10 == 0 else "train" for i, k in enumerate(fold)]
            object.__setattr__(part, "splits", splits)
            rows = [i for i, s in enumerate(splits) if s == "train"]
            config, make = supervised_learner(part, targets, rows, preset.config, preset.train, self.seed)
            folder = self.folder / f"fold-{f}"
            learner = make(config, preset.train, seed=self.seed, device="cpu")
            trainer.train(part, folder, learner, preset.train, seed=self.seed)
            network = load_baseline(folder)
            for i in np.flatnonzero(fold == f):
                slices = cohort.read(i, centre_indices(cohort.n_slices(i), cohort.n_embedded))
                with torch.no_grad():
                    told = network.predict(fixed_crop(slices, network.image_size, preset.train.view))
                for q, answer, values in zip(asked, told, out, strict=True):
                    values[q.rows == i] = answer.mean(dim=0).numpy()
        for q, values in zip(asked, out, strict=True):
            np.savez(self.folder / f"answers-{q.name}.npz", predicted=values, chosen="{}")


def side_by_side(matrices: list[np.ndarray], n_slices: int) -> np.ndarray:
    """Vectors of several models joined slice by slice, each model's scaled to the same mean square."""
    parts = []
    for matrix in matrices:
        codes = (matrix - matrix.mean(axis=0)).reshape(len(matrix), n_slices, -1)
        parts.append(codes / max(float(np.sqrt((codes**2).sum(axis=(1, 2)).mean())), 1e-30))
    return np.concatenate(parts, axis=2).reshape(len(matrices[0]), -1).astype(np.float32)


def _fields(cohort: Slices) -> list[str]:
    return list(FIELDS.get(cohort.name, cohort.table.columns))


def compare(cohort: Slices, names: list[str], seeds: int, reference: str, out: Path, preset: str) -> list[dict]:
    """Scores of rows with intervals and differences from the reference, over all seeds; positive is better."""
    found = []
    for question in questions(cohort.table, _fields(cohort), cohort.subjects):
        draws = draws_of(question, cohort.subjects, DRAWS)
        lower_is_better = not question.classes
        scores = {}
        for name in [reference, *(n for n in names if n != reference)]:
            each, seconds = [], []
            for k in range(seeds):
                row = Row(cohort, name, 51 + k, out, preset)
                each.append(score(question, row.answers(question, 51), draws))
                seconds.append(row.seconds())
            scores[name] = np.mean(each, axis=0)
            gain = scores[name] - scores[reference]
            gain = -gain / scores[reference][0] if lower_is_better else gain
            value, low, high = interval(scores[name])
            found.append(
                {
                    "cohort": cohort.name,
                    "field": question.name,
                    "n": len(question.rows),
                    "subjects": len(set(np.asarray(cohort.subjects)[question.rows])),
                    "measure": "MAE" if lower_is_better else "AUC",
                    "row": name,
                    "score": value,
                    "low": low,
                    "high": high,
                    "each seed": [float(e[0]) for e in each],
                    "gain": interval(gain),
                    "seconds": float(np.mean(seconds)),
                }
            )
            show(found[-1], reference)
    return found


def show(f: dict, reference: str) -> None:
    gain = ""
    if f["row"] != reference:
        value, low, high = (100 * v for v in f["gain"])
        unit = "% of the error" if f["measure"] == "MAE" else "points"
        gain = f"  better than {reference} by {value:+.1f} ({low:+.1f} to {high:+.1f}) {unit}"
    digits = 2 if f["measure"] == "MAE" else 3
    print(
        f"{f['cohort']:<8} {f['field']:<22} {f['row']:<22} {f['measure']} {f['score']:.{digits}f} "
        f"({f['low']:.{digits}f} to {f['high']:.{digits}f}){gain}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", nargs="+", default=["nih"])
    parser.add_argument("--rows", nargs="+", default=["pca", "pixels", "random", "dae"])
    parser.add_argument("--reference", default="pca")
    parser.add_argument("--data", type=Path, help="folder with ixi_tiny/ and busbra_us/")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--subjects", type=int, default=1000, help="people of the phantom")
    parser.add_argument("--preset", default="cpu-lite")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("embedding"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    found = []
    for name in args.cohorts:
        cohort = open_cohort(name, args.data, args.out / "cohorts", args.subjects)
        found += compare(cohort, args.rows, args.seeds, args.reference, args.out, args.preset)
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
