"""How the commands are shown: in which group each stands, and an example or two of each."""

from __future__ import annotations

import shlex

from .analyses import ANALYSES

#: the commands that take a new user from nothing to a shared answer, with what each does
FIRST = (
    ("demo", "audit the 1,000 chest radiographs that ship with the package"),
    ("register", "make a dataset of your images and your table"),
    ("audit", "run every step on it and write the report"),
    ("app", "look at images, map and findings in the browser"),
    ("share", "hand findings to colleagues, without a pixel or a name"),
)

_GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "start": (
        "from a folder to a first report",
        ("demo", "demo-mri", "doctor", "phantom", "privacy", "register", "audit", "app"),
    ),
    "look": (
        "learn what the images look like, and find groups",
        ("duplicates", "train", "import-checkpoint", "embed", "reconstruction"),
    ),
    "test": ("ask what the images give away, and what a group is", ()),
    "explain": ("show where and what a difference is", ()),
    "share": ("write it down and hand it on", ("story", "report", "review", "share", "signing-key", "import-shared")),
    "manage": ("what was stored, and how to be rid of it", ("runs", "queue", "cache", "completion")),
}

#: {group: (what it is for, its commands)}, in the order in which they are shown; the verbs of analyses among them
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    name: (about, (*members, *(v["command"] for a in ANALYSES if a.group == name for v in a.verbs)))
    for name, (about, members) in _GROUPS.items()
}

_EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": ("demo", "demo --preset cpu-lite --name my-demo"),
    "demo-mri": ("demo-mri", "demo-mri --name my-phantom --subjects 60"),
    "doctor": ("doctor", "doctor --fix"),
    "app": ("app", "app my-cohort", "app my-cohort --remote --port 5152"),
    "completion": ("completion bash >> ~/.bashrc", "completion fish > ~/.config/fish/completions/daebias.fish"),
    "phantom": ("phantom drawn --subjects 60 --regions neck --plants shift:43:site=C --format nifti",),
    "privacy": ("privacy images/",),
    "register": (
        "register my-cohort images/",
        "register my-cohort images/ --table patients.xlsx --subject patient_no",
        "register my-cohort images/ --table patients.csv --plan plan.yml",
    ),
    "audit": ("audit my-cohort --expected sex age", "audit my-cohort --date-field exam_date --fail-on 'site.auc>0.6'"),
    "story": ("story my-cohort", "story my-cohort --target finding=Effusion --table"),
    "duplicates": ("duplicates my-cohort",),
    "train": ("train my-cohort --preset cpu-lite",),
    "import-checkpoint": ("import-checkpoint last.ckpt",),
    "embed": ("embed my-cohort",),
    "reconstruction": ("reconstruction my-cohort --images 16",),
    "report": ("report my-cohort", "report my-cohort --out report.html --title 'Chest radiographs'"),
    "review": ("review my-cohort probe:site --status confirmed --note 'the scanner was changed'",),
    "share": ("share my-cohort --findings probe:site", "share my-cohort --out audit.zip --secret-file agreed.txt"),
    "signing-key": ("signing-key ~/.daebias-sign.pem --name 'Jane Doe, site A'",),
    "import-shared": ("import-shared my-cohort audit.zip",),
    "runs": ("runs my-cohort", "runs my-cohort --action delete --names daebias_drift --sure"),
    "queue": ("queue", "queue --service > ~/.config/systemd/user/daebias-queue.service"),
    "cache": ("cache", "cache --prune"),
}

#: examples of each command, without "daebias"; every one is read by the parser in a test
EXAMPLES: dict[str, tuple[str, ...]] = {**_EXAMPLES, **{c: e for a in ANALYSES for c, e in a.examples.items()}}


def words_of(line: str) -> list[str]:
    """Words of an example, without what it writes to and without a comment."""
    return shlex.split(line.partition(" >")[0], comments=True)


def grouped(commands: dict[str, str]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Groups with what each is for and its commands with their labels; a command of no group comes last, under "more".

    Args:
        commands: ``{command: label}``
    """
    out = [
        (name, about, [(c, commands[c]) for c in members if c in commands]) for name, (about, members) in GROUPS.items()
    ]
    placed = {c for _, members in GROUPS.values() for c in members}
    rest = [(c, label) for c, label in commands.items() if c not in placed]
    return [*out, *([("more", "", rest)] if rest else [])]
