"""Runs the whole line on the radiographs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from .. import schema, store, verbs
from ..cohort.register import RegistrationReport
from ..dae.train import settings
from ..findings.verdicts import settle_result
from ..plugin import link_plugin
from ..probes.result import ProbeTable
from ..probes.stored import stored_probes
from ..progress import Progress, listening
from ..reporting.audit_result import seconds_of
from ..stories.facts import Stories
from ..yaml_files import read_yaml

COHORT = Path(__file__).parent / "cxr_nih64"
#: the audit's configuration
CONFIG = read_yaml(Path(__file__).with_name("run.yml"), "config")


@dataclass(frozen=True)
class DemoResult:
    """What the demo found, and how long each step took."""

    name: str
    registration: RegistrationReport
    probes: ProbeTable
    tags: dict[str, int]
    report: str = ""
    stories: Stories | None = None
    seconds: str = ""

    def to_dict(self) -> dict:
        return {
            "dataset": self.name,
            "registration": self.registration.to_dict(),
            "probes": self.probes.to_dict(),
            "tags": self.tags,
            "stories": None if self.stories is None else self.stories.to_dict(),
            "report": self.report,
            "seconds": self.seconds,
        }

    def __str__(self) -> str:
        """The last screen: what was found, by its causes, and how to see it."""
        told = self.stories if self.stories is not None else self.probes
        return (
            f"\n{told}\n"
            + "".join(f"{line}\n" for line in (self.report and f"report: {self.report}", self.seconds) if line)
            + f"Open it:  daebias app {self.name}    (in a checkout: .venv/bin/daebias app {self.name}), "
            "panel 'Cohort audit'"
        )


def run_demo(name: str = "daebias-demo", preset: str = "cpu-lite", progress: Progress | None = None) -> DemoResult:
    """Audits the radiographs; run again, it only does what has changed.

    Args:
        name: name of the dataset
        preset: training preset
        progress: where to report

    Returns:
        the registration, the table of probes, the tags and the report's file

    Raises:
        InputError: unknown preset
    """
    settings(preset)
    listening(progress).say(f"registering {COHORT.name} as dataset {name!r}")
    began = time.monotonic()
    registration = verbs.by_command("register").load()(
        name, COHORT / "images", COHORT / "metadata.csv", subject="subject_id", progress=progress
    )
    registered = time.monotonic() - began
    samples = store.load_samples(name)
    link_plugin()
    audited = verbs.by_command("audit").load()(samples, config=CONFIG, preset=preset, progress=progress)
    tags = {t: n for t, n in store.count_tags(samples).items() if t.startswith(schema.TAG_PREFIX)}
    probes = settle_result(samples, stored_probes(samples))
    took = seconds_of(audited.steps, register=registered)
    return DemoResult(name, registration, probes, tags, audited.report, audited.stories, took)
