"""The command line: generated arguments, exit codes, one line an error."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from fiftyone_daebias import cli, verbs


def documented(
    samples, field: str, *, mode: Literal["fast", "full"] = "fast", fields: list[str] | None = None,
    alpha: float = 0.05, n: int | None = None, out: Path | None = None, tag: bool = True, progress=None,
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
    assert verb.name not in verbs.public_names() or verbs.public(verb.name) is function


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
    assert cli.main([verb.command, dataset_name, "sex", "--alpha", "0.01", "--fields", "a", "b", "--quiet"]) == 0
    assert seen == {"name": dataset_name, "field": "sex", "alpha": 0.01, "fields": ["a", "b"]}
    assert capsys.readouterr().out == "a table\n"
    assert cli.main([verb.command, dataset_name, "sex", "--json", "--quiet"]) == 0
    assert capsys.readouterr().out == '{\n  "n": 3\n}\n'


def test_names_at_the_top_stay_functions_whatever_is_imported():
    import fiftyone_daebias

    for verb in verbs.VERBS:
        verb.load()
    assert {"probe", "compute_dae_embeddings", "register_cohort"} <= set(fiftyone_daebias.__all__)
    for name in fiftyone_daebias.__all__:
        assert callable(getattr(fiftyone_daebias, name)), name
