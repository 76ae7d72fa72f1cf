"""A bad value is refused with the same line by all four doors: command line, form, YAML and Python."""

from pathlib import Path
from typing import Annotated, Literal

import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
import pytest
from annotated_types import Ge, Gt, Le

import fiftyone_daebias
from fiftyone_daebias import cli, parameters, verbs
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.parameters import checked, range_words
from fiftyone_daebias.plugin import PLUGIN_NAME, link_plugin
from fiftyone_daebias.reporting.audit_config import AuditConfig


def by_python(command: str, name: str, value, dataset) -> str:
    with pytest.raises(InputError) as error:
        getattr(fiftyone_daebias, command.replace("-", "_"))(dataset, **REQUIRED.get(command, {}), **{name: value})
    return str(error.value)


def by_command_line(command: str, name: str, value, dataset, capsys) -> str:
    given = [str(v) for v in REQUIRED.get(command, {}).values()]
    assert cli.main([command, dataset.name, *given, f"--{name.replace('_', '-')}={value}", "--quiet"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line.strip().removeprefix(f"daebias {command}: error: ")


def by_form(command: str, name: str, value, dataset) -> str:
    from fiftyone.operators.executor import ExecutionContext

    link_plugin()
    uri = f"{PLUGIN_NAME}/{command.replace('-', '_')}"
    params = {**REQUIRED.get(command, {}), name: value}
    ctx = ExecutionContext(request_params={"dataset_name": dataset.name, "params": params}, operator_uri=uri)
    return foo.get_operator(uri).resolve_input(ctx).error_message


def by_yaml(command: str, name: str, value, tmp_path) -> str:
    path = tmp_path / "audit.yml"
    path.write_text(f"steps:\n  {command}:\n    {name}: {value}\n")
    with pytest.raises(InputError) as error:
        AuditConfig.read(path)
    return str(error.value).removeprefix(f"audit.yml: steps.{command}.")


REQUIRED = {"disagreements": {"field": "sex"}}
#: command, parameter, a value out of its range, what is said of it
OUT_OF_RANGE = [
    ("probe-all", "n_permutations", 5, "n_permutations must be at least 99; got 5"),
    ("probe-all", "n_bootstrap", 49, "n_bootstrap must be at least 50; got 49"),
    ("probe-all", "repeats", 0, "repeats must be at least 1; got 0"),
    ("case-mix", "seed", -1, "seed must be at least 0; got -1"),
    ("duplicates", "threshold", 1.5, "threshold must be between 0 and 1; got 1.5"),
    ("tag", "threshold", 0.0, "threshold must be above 0; got 0.0"),
    ("train", "images", -5, "images must be at least 1; got -5"),
    ("train", "lr", -0.1, "lr must be above 0; got -0.1"),
    ("embed", "perplexity", 1.0, "perplexity must be at least 2; got 1.0"),
    ("disagreements", "most_false", 0.6, "most_false must be above 0 and at most 0.5; got 0.6"),
    ("suggest-clusters", "min_size", 1, "min_size must be at least 2; got 1"),
    ("explain", "n_permutations", 10, "n_permutations must be at least 99; got 10"),
]


@pytest.fixture(scope="module")
def dataset():
    made = fo.Dataset("daebias-parameters", overwrite=True)
    made.add_samples([fo.Sample(filepath=f"/nowhere/{k}.png", sex="FM"[k % 2], subject_id=str(k)) for k in range(9)])
    yield made
    made.delete()


@pytest.mark.parametrize("command, name, value, said", OUT_OF_RANGE, ids=lambda v: str(v)[:16])
def test_a_value_out_of_range_is_refused_alike_by_every_door(command, name, value, said, dataset, capsys, tmp_path):
    assert by_python(command, name, value, dataset) == said
    assert by_command_line(command, name, value, dataset, capsys) == said
    assert by_form(command, name, value, dataset) == said
    if command != "explain":  # the audit draws up what is explained by itself
        assert by_yaml(command, name, value, tmp_path) == said


def test_another_kind_of_value_is_named(dataset, tmp_path):
    for name, value, said in (
        ("n_permutations", "many", "n_permutations must be a whole number; got 'many'"),
        ("kernel", "cubic", "kernel must be one of rbf, linear; got 'cubic'"),
        ("adjust_for", 3, "adjust_for must be a list, each a text; got 3"),
    ):
        assert by_python("probe-all", name, value, dataset) == said
    assert by_yaml("probe-all", "kernel", "cubic", tmp_path) == "kernel must be one of rbf, linear; got 'cubic'"


def test_what_is_right_passes_as_it_is():
    assert checked("n", parameters.Permutations, np.int64(99)) == 99
    assert checked("n", parameters.Permutations, "199") == 199
    assert checked("value", parameters.FieldValue, 60) == "60"
    assert checked("expected", parameters.Expected, "sex") == ["sex"]
    assert checked("expected", parameters.Expected, ("sex", "age")) == ("sex", "age")
    assert checked("vectors", parameters.VectorFieldOrFields, "a") == "a"
    assert checked("out", parameters.OutFile, "a/b.html") == Path("a/b.html")
    assert checked("n", parameters.Slices | None, None) is None


def test_ranges_in_words_are_those_that_are_checked():
    for bounds, words, good, bad in (
        ((Ge(2),), "at least 2", 2, 1),
        ((Gt(0),), "above 0", 0.1, 0),
        ((Ge(1), Le(4)), "between 1 and 4", 4, 5),
        ((Gt(0), Le(0.5)), "above 0 and at most 0.5", 0.5, 0.51),
    ):
        hint = Annotated[(float, *bounds)]
        assert range_words(hint) == words and checked("x", hint, good) == good
        with pytest.raises(InputError, match=f"x must be {words}; got {bad}"):
            checked("x", hint, bad)
    with pytest.raises(InputError, match="x must be of a, b; got"):
        checked("x", list[Literal["a", "b"]], ["c"])


def test_every_default_is_in_its_own_range_and_what_parameters_name_is_offered():
    link_plugin()
    import sys

    operator = foo.get_operator(f"{PLUGIN_NAME}/probe")
    base = next(c for c in type(operator).__mro__ if c.__name__ == "VerbOperator")
    offers = sys.modules[base.__module__.rpartition(".")[0] + ".choices"]._OFFERS
    for verb in verbs.VERBS:
        for parameter in verb.describe()[1]:
            if not parameter.required:
                parameter.checked(parameter.default)
            assert not parameter.names or parameter.names in {*offers, "samples"}, parameter
