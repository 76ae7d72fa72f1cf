"""What a comparison of two groups found."""

from __future__ import annotations

from dataclasses import dataclass

from .appearance import Contrast
from .classifier import ClassifierResult
from .displacement import Displacement
from .faithfulness import Faithfulness
from .headers import HeaderShift
from .mean_images import Edges, MeanImages


@dataclass(frozen=True)
class Explanation:
    """Where two groups differ, by how much, and whether a model hangs on it.

    Attributes:
        name: what was compared
        names: names of the two groups
        n_samples: samples of the two groups
        n_subjects: subjects of the two groups
        sentences: what to know, the most useful first
        tests: ``{part: {"p", "p_adjusted", "found"}}``; parts are "shift", "pictures", "appearance", "fields" and
            "classifier"; p is adjusted over the parts (Holm 1979), so that groups without a difference have one found
            in at most 5 % of cases
        displacement: shift, rotation and scale
        voxels: the shift in voxels of the file (down, right); ``None`` where no spacing is known
        header: what the header's position says; ``None`` where there is none
        means: mean pictures
        edges: the body's edge; ``None`` where it is not seen
        appearance: grey values, contrast, noise, sharpness, spacing
        fields: fields of header and table
        classifier: the follow-up classifier; ``None`` when none was asked for
        layer: layer of the maps, "" without maps
        faithfulness: check of the maps; ``None`` without maps
        heatmap_field: sample field of the maps, "" without maps
        run_key: custom run with everything
        figures: described figures
        notes: what was left out or chosen
    """

    name: str
    names: tuple[str, str]
    n_samples: tuple[int, int]
    n_subjects: tuple[int, int]
    sentences: tuple[str, ...]
    tests: dict[str, dict]
    displacement: Displacement
    voxels: tuple[float, float] | None
    header: HeaderShift | None
    means: MeanImages
    edges: Edges | None
    appearance: tuple[Contrast, ...]
    fields: tuple[Contrast, ...]
    classifier: ClassifierResult | None
    layer: str
    faithfulness: Faithfulness | None
    heatmap_field: str
    run_key: str
    figures: tuple[dict, ...]
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether any part found a difference."""
        return any(t["found"] for t in self.tests.values())

    def to_dict(self) -> dict:
        def of(part):
            return None if part is None else part.to_dict()

        return {
            "name": self.name,
            "names": list(self.names),
            "n_samples": list(self.n_samples),
            "n_subjects": list(self.n_subjects),
            "found": self.found,
            "sentences": list(self.sentences),
            "tests": self.tests,
            "displacement": of(self.displacement),
            "voxels": None if self.voxels is None else list(self.voxels),
            "header": of(self.header),
            "means": of(self.means),
            "edges": of(self.edges),
            "appearance": [c.to_dict() for c in self.appearance],
            "fields": [c.to_dict() for c in self.fields],
            "classifier": of(self.classifier),
            "layer": self.layer,
            "faithfulness": of(self.faithfulness),
            "heatmap_field": self.heatmap_field,
            "run_key": self.run_key,
            "figures": [{k: f[k] for k in ("name", "title", "caption", "png")} for f in self.figures],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{s}." for s in self.sentences]
        lines.append(
            f"compared: {self.names[0]} ({self.n_samples[0]:,} samples of {self.n_subjects[0]:,} subjects), "
            f"{self.names[1]} ({self.n_samples[1]:,} samples of {self.n_subjects[1]:,} subjects)"
        )
        lines.append(
            "tested: "
            + ", ".join(f"{part} p {t['p']:.3g} (adjusted {t['p_adjusted']:.3g})" for part, t in self.tests.items())
        )
        stored = [f"run {self.run_key!r}", f"{len(self.figures)} figures"]
        if self.heatmap_field:
            stored.append(f"heat maps in {self.heatmap_field!r}")
        lines.append("stored: " + ", ".join(stored))
        return "\n".join([*lines, *(f"note: {n}" for n in self.notes)])
