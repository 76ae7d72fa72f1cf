"""Runs the whole line on the radiographs: register, train, embed, probe, tag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .. import schema, store
from ..clusters.outliers import tag_outliers
from ..cohort.register import RegistrationReport, register_cohort
from ..dae.verb import settings, train_dae, trained_checkpoint
from ..embeddings.compute import compute_dae_embeddings
from ..plugin import link_plugin
from ..probes.result import ProbeTable
from ..probes.stored import stored_probes
from ..probes.verb import probe_all
from ..progress import Progress, listening
from ..report.audit import Step, run_steps

COHORT = Path(__file__).parent / "cxr_nih64"


@dataclass(frozen=True)
class DemoResult:
    """What the demo found."""

    name: str
    registration: RegistrationReport
    probes: ProbeTable
    tags: dict[str, int]

    def __str__(self) -> str:
        tags = "\n".join(f"  {tag:<44} {n:>5,} images" for tag, n in sorted(self.tags.items()))
        decodable = [r.field for r in self.probes.rows if r.decodable]
        found = ", ".join(decodable) if decodable else "none"
        return (
            f"\nWhat the pixels of {self.registration.images:,} radiographs know "
            f"({self.registration.subjects:,} subjects)\n\n{self.probes}\n\n"
            f"decodable from the pixels: {found}\n"
            f"tags set:\n{tags}\n\n"
            f"Open it:  daebias app {self.name}    (in a checkout: .venv/bin/daebias app {self.name})\n"
            f"then the Embeddings panel, map 'dae_map', colour by orig_pixel_spacing_mm."
        )


def run_demo(name: str = "daebias-demo", preset: str = "cpu-lite", progress: Progress | None = None) -> DemoResult:
    """Audits the radiographs; run again, it only does what has changed.

    Args:
        name: name of the dataset
        preset: training preset
        progress: where to report

    Returns:
        the registration, the table of probes and the tags

    Raises:
        InputError: unknown preset
    """
    settings(preset)
    told = listening(progress)
    told.say(f"registering {COHORT.name} as dataset {name!r}")
    registration = register_cohort(
        name, COHORT / "images", COHORT / "metadata.csv", subject="subject_id", progress=progress
    )
    samples = store.load_samples(name)
    link_plugin()
    steps = [
        Step("train", f"training a diffusion autoencoder, preset {preset}", train_dae, {"preset": preset},
             lambda s: trained_checkpoint(s) is not None),
        Step("embed", "embedding and mapping", compute_dae_embeddings, {"preset": preset},
             lambda s: store.has_field(s, schema.embedding_field()) and schema.map_key() in store.map_runs(s)),
        Step("probe", "probing every metadata field", probe_all, {},
             lambda s: bool(store.list_runs(s, schema.PROBE_RUN_PREFIX))),
        Step("tag", "tagging outliers", tag_outliers, {}, lambda s: store.has_field(s, schema.OUTLIER_FIELD)),
    ]
    data_hash = ",".join(sorted(store.read_field(samples, schema.CACHE_FIELD)))
    run_steps(samples, steps, data_hash, progress)
    tags = {t: n for t, n in store.count_tags(samples).items() if t.startswith(schema.TAG_PREFIX)}
    return DemoResult(name, registration, stored_probes(samples), tags)
