"""The paper's own job on a drawn cohort: one site's neck scans lie elsewhere, and the audit has to say so in mm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .. import paths, store, verbs
from ..dae.train import settings
from ..explanation.result import Explanation
from ..phantoms.phantom import PhantomReport
from ..plugin import link_plugin
from ..progress import Progress, listening
from ..reporting.audit import AuditResult
from ..yaml_files import read_yaml

#: what is planted: at one site the neck is scanned 43 mm nearer to the head, as in the paper
PLANT = "shift:43:site=C,region=neck"
REGION_FIELD, NECK = "body_part", "CSPINE"
#: the audit's configuration
CONFIG = read_yaml(Path(__file__).with_name("mri.yml"), "config")


@dataclass(frozen=True)
class MriDemoResult:
    """What was planted and what came back.

    Attributes:
        name: the dataset
        phantom: what was drawn and planted
        audit: what the audit found
        explanation: the planted site's necks against all others
        figures: files of its figures
        report: the report's file
    """

    name: str
    phantom: PhantomReport
    audit: AuditResult
    explanation: Explanation
    figures: tuple[str, ...]
    report: str

    def to_dict(self) -> dict:
        return {
            "dataset": self.name,
            "phantom": self.phantom.to_dict(),
            "audit": self.audit.to_dict(),
            "explanation": self.explanation.to_dict(),
            "figures": list(self.figures),
            "report": self.report,
        }

    def __str__(self) -> str:
        """The last screen: the stories, and that of the moved neck in mm."""
        drawn = f"{self.phantom.volumes:,} spine volumes of {self.phantom.subjects:,} people"
        return "\n".join(
            [
                f"\n{drawn}; planted: at site C the neck lies 43 mm lower in the picture",
                "",
                str(self.audit.stories if self.audit.stories is not None else self.audit.findings),
                "",
                "Where the necks of site C differ from those of the other sites:",
                *(f"  {sentence}." for sentence in self.explanation.sentences),
                "",
                f"report: {self.report}    (mean images and class activation maps are under 'Explanations')",
                f"Open it:  daebias app {self.name}    (in a checkout: .venv/bin/daebias app {self.name}), "
                "panel 'Cohort audit'",
            ]
        )


def run_mri_demo(
    name: str = "daebias-demo-mri", subjects: int = 120, folder: Path | None = None, progress: Progress | None = None
) -> MriDemoResult:
    """Draws a spine cohort in DICOM, audits it, and explains the site whose necks lie elsewhere.

    Run again, it only does what has changed.

    Args:
        name: name of the dataset
        subjects: people to draw, each with a neck, a chest and a lumbar volume
        folder: where to draw them; default: below DAEBIAS_HOME/phantoms
        progress: where to report

    Returns:
        what was planted, what was found, and the explanation in mm

    Raises:
        InputError: too few people for a comparison of sites
        CohortError: the folder holds something else
    """
    settings("cpu-lite")
    said = listening(progress)
    folder = paths.home() / "phantoms" / name if folder is None else Path(folder)
    said.say(f"drawing {subjects} people to {folder.name!r}, planted: {PLANT}")
    drawn = verbs.by_command("phantom").load()(folder, subjects=subjects, plants=[PLANT], matrix=128, progress=progress)
    verbs.by_command("register").load()(name, Path(drawn.images), progress=progress)
    samples = store.load_samples(name)
    link_plugin()
    audited = verbs.by_command("audit").load()(samples, config=CONFIG, preset="cpu-lite", progress=progress)
    table = store.read_table(samples, [REGION_FIELD])
    necks = store.view_of_ids(samples, table.index[table[REGION_FIELD] == NECK])
    said.say("explaining the necks of site C")
    explained = verbs.by_command("explain").load()(
        necks,
        field="site",
        value="C",
        image_size=96,
        n_slices=6,
        steps=120,
        n_maps=40,
        n_permutations=199,
        progress=progress,
    )
    figures = tuple(str(paths.figures_dir(name) / f["png"]) for f in explained.figures)
    report = verbs.by_command("report").load()(samples, progress=progress)
    return MriDemoResult(name, drawn, audited, explained, figures, report.files["html"])
