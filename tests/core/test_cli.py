"""The command line: generated arguments, exit codes, one line an error."""

import inspect
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from fiftyone_daebias import cli, command_table, verbs
from fiftyone_daebias.signatures import read_signature


def documented(
    samples,
    field: str,
    *,
    mode: Literal["fast", "full"] = "fast",
    fields: list[str] | None = None,
    alpha: float = 0.05,
    n: int | None = None,
    out: Path | None = None,
    tag: bool = True,
    progress=None,
):
    """Does a thing to samples.

    Longer text.

    Args:
        samples: a dataset or view
        field: the field,
            continued here
        mode: how
        fields: several
        alpha: level, 5 % by default
        n: how many
        out: where to
        tag: whether to tag

    Returns:
        nothing
    """


def test_parameters_follow_signature_and_docstring():
    got = {p.name: p for p in verbs.parameters(documented)}
    assert list(got) == ["field", "mode", "fields", "alpha", "n", "out", "tag"]
    assert got["field"].required and got["field"].help == "the field, continued here"
    assert got["mode"].choices == ("fast", "full")
    assert (got["fields"].kind, got["fields"].item) == (list, str)
    assert got["n"].kind is int and got["out"].kind is Path and got["tag"].kind is bool


@pytest.mark.parametrize("verb", verbs.VERBS, ids=lambda v: v.command)
def test_every_verb_documents_every_parameter_and_builds_a_parser(verb):
    function = verb.load()
    for parameter in verbs.parameters(function):
        assert parameter.help, f"{verb.name}: parameter {parameter.name!r} is not in the docstring"
    assert cli.build_parser(verb.command) is not None
    doc, read = verb.describe()
    assert doc == inspect.getdoc(function) and read == verbs.parameters(function)
    read_signature(verb.function)  # without importing it
    assert verb.name in verbs.public_names() and verbs.public(verb.name) is function


def test_names_in_the_table_are_unique():
    assert len({v.command for v in verbs.VERBS}) == len(verbs.VERBS)
    assert len({v.name for v in verbs.VERBS}) == len(verbs.VERBS)


def test_unknown_dataset_is_one_line_and_exit_code_2(capsys):
    assert cli.main(["probe", "no-such-cohort", "sex"]) == 2
    err = capsys.readouterr().err
    assert "there is no dataset 'no-such-cohort'" in err and err.count("\n") == 1 and "Traceback" not in err


def test_values_reach_the_function(monkeypatch, capsys, dataset_name):
    import fiftyone as fo

    fo.Dataset(dataset_name)
    seen = {}

    @dataclass(frozen=True)
    class Result:
        def to_dict(self):
            return {"n": 3}

        def __str__(self):
            return "a table"

    def function(samples, field: str, *, alpha: float = 0.05, fields: list[str] | None = None, progress=None):
        """Does it.

        Args:
            field: one
            alpha: level
            fields: more
        """
        seen.update(name=samples.name, field=field, alpha=alpha, fields=fields)
        return Result()

    verb = verbs.by_command("probe")
    monkeypatch.setattr(verbs.Verb, "load", lambda self: function)
    monkeypatch.setattr(verbs.Verb, "describe", lambda self: (function.__doc__, verbs.parameters(function)))
    assert cli.main([verb.command, dataset_name, "sex", "--alpha", "0.01", "--fields", "a", "b", "--quiet"]) == 0
    assert seen == {"name": dataset_name, "field": "sex", "alpha": 0.01, "fields": ["a", "b"]}
    assert capsys.readouterr().out == "a table\n"
    assert cli.main([verb.command, dataset_name, "sex", "--json", "--quiet"]) == 0
    assert capsys.readouterr().out == '{\n  "n": 3\n}\n'


def test_names_at_the_top_stay_functions_whatever_is_imported():
    import fiftyone_daebias

    for verb in verbs.VERBS:
        verb.load()
    assert {"probe", "compute_dae_embeddings", "register"} <= set(fiftyone_daebias.__all__)
    for name in fiftyone_daebias.__all__:
        assert callable(getattr(fiftyone_daebias, name)), name


#: CPU seconds that a command which computes nothing may take on a slow machine; importing FiftyOne takes some three
QUICK = 1.0


def seconds(*arguments: str) -> tuple[float, int, str]:
    """User and system time of a command, its exit code and all it printed."""
    code = (
        "import os, sys, runpy; sys.argv[0] = 'daebias'\n"
        "try:\n    runpy.run_module('fiftyone_daebias', run_name='__main__')\n"
        "finally:\n    t = os.times(); print(f'CPU {t.user + t.system:.3f} {\"fiftyone\" in sys.modules}')"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    line = next(text for text in done.stdout.splitlines() if text.startswith("CPU"))
    assert line.split()[2] == "False", "FiftyOne was imported"
    return float(line.split()[1]), done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--help"], 0, "Audit a medical image cohort"),
        (["--version"], 0, "daebias"),
        ([], 2, "daebias share"),
        (["prob", "cohort"], 2, "no command: 'prob'; 'daebias --help' lists them; did you mean probe?"),
        (["probe", "cohort", "sex", "--adjust-fr", "age"], 2, "did you mean --adjust-for?"),
        (["completion", "fish"], 0, "complete --command daebias"),
        (["probe", "--help"], 0, "--n-permutations"),
        (["explain", "cohort", "--nonsense"], 2, "--nonsense"),
        (["register"], 2, "required: NAME, IMAGES"),
        (["sensitivity", "cohort", "--effects", "x"], 2, "invalid choice"),
    ],
)
def test_help_and_wrong_arguments_take_no_time(arguments, code, said):
    took, got, text = seconds(*arguments)
    assert got == code and said in text
    assert took < QUICK


def test_every_command_is_in_one_group_and_has_examples_that_parse():
    commands = [v.command for v in verbs.VERBS] + ["demo", "demo-mri", "app", "doctor", "completion"]
    placed = [c for _, members in command_table.GROUPS.values() for c in members]
    assert len(placed) == len(set(placed)) and set(commands) <= set(placed)
    for command in commands:
        assert command_table.EXAMPLES[command], command
        for line in command_table.EXAMPLES[command]:
            words = command_table.words_of(line)
            args = cli.build_parser(words[0]).parse_args(words)
            assert args.command == command
        text = cli._commands_of(cli.build_parser(command)).choices[command].format_help()
        assert f"daebias {command_table.EXAMPLES[command][0]}" in text


def test_what_every_command_has_may_stand_before_it():
    parser = cli.build_parser("runs")
    for words in (
        ["--json", "--quiet", "runs", "c"],
        ["--quiet", "runs", "c", "--json"],
        ["runs", "c", "--json", "--quiet"],
    ):
        args = parser.parse_args(cli._command_first(words))
        assert args.json and args.quiet and args.dataset == "c"


def test_a_secret_comes_from_a_file_or_the_environment_and_never_from_the_command_line(
    tmp_path, monkeypatch, capsys, dataset_name
):
    import fiftyone as fo

    fo.Dataset(dataset_name)
    given = []
    monkeypatch.setattr(verbs.Verb, "load", lambda self: lambda samples, **kw: given.append(kw["secret"]))
    (tmp_path / "agreed.txt").write_text("a sentence of two people\n")
    monkeypatch.delenv("DAEBIAS_SECRET", raising=False)

    def run(*more):
        return cli.main(["import-shared", dataset_name, "b.zip", "--quiet", *more])

    assert run("--secret-file", str(tmp_path / "agreed.txt")) == 0
    monkeypatch.setenv("DAEBIAS_SECRET", "another sentence")
    assert run() == 0 and given == ["a sentence of two people", "another sentence"]
    assert run("--secret", "shown to all") == 2
    err = capsys.readouterr().err
    assert "--secret-file FILE, or set DAEBIAS_SECRET" in err and "shown to all" not in err and len(given) == 2


def test_a_shell_is_told_how_a_line_goes_on(tmp_path):
    for line, expected in (("daebias prob", {"probe", "probe-all"}), ("daebias probe c sex --kern", {"--kernel"})):
        out = tmp_path / "out"
        env = {**os.environ, "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
        env |= {"_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(out)}
        code = "import sys; sys.argv[0] = 'daebias'; from fiftyone_daebias.cli import main; main([])"
        subprocess.run([sys.executable, "-c", code], env=env, check=True)
        assert {w.strip() for w in out.read_text().splitlines() if w.strip()} == expected


@pytest.mark.parametrize(
    "order",
    [
        "import fiftyone_daebias, fiftyone as fo",
        "import fiftyone as fo, fiftyone_daebias",
        "import fiftyone_daebias.store, fiftyone_daebias, fiftyone as fo",
    ],
)
def test_the_methods_are_there_whichever_package_comes_first(order):
    code = (
        f"{order}\nimport sys, inspect\nfor c in (fo.Dataset, fo.DatasetView):\n"
        "    assert c.compute_dae_embeddings._daebias and c.daebias.probe.__name__ == 'probe'\n"
        "m = sys.modules['fiftyone.core.collections']\n"
        "assert inspect.getsource(m.SampleCollection.count) and type(m.__loader__).__name__ == 'SourceFileLoader'\n"
        "assert not [f for f in sys.meta_path if type(f).__module__.startswith('fiftyone_daebias')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
