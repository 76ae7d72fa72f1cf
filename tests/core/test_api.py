"""What tools and people see of the verbs in Python: names, signatures, and one clear line for what is misspelt."""

import inspect

import fiftyone as fo
import pytest

import fiftyone_daebias
from fiftyone_daebias import verbs
from fiftyone_daebias.accessor import Accessor

ON_SAMPLES = [v for v in verbs.VERBS if v.method]


@pytest.fixture
def dataset(dataset_name):
    return fo.Dataset(dataset_name)


@pytest.mark.parametrize("verb", ON_SAMPLES, ids=lambda v: v.command)
def test_every_verb_has_one_name_and_its_own_signature_on_the_accessor(verb, dataset):
    name = verb.command.replace("-", "_")
    bound, function = getattr(dataset.daebias, name), getattr(fiftyone_daebias, name)
    of_function, of_method = (list(inspect.signature(f).parameters.values()) for f in (function, bound))
    assert of_function[0].name == "samples" and of_function[1:] == of_method
    assert inspect.getdoc(bound) == inspect.getdoc(function) and "Args:" in inspect.getdoc(bound)
    assert function.__name__ == bound.__name__ == name
    # its file and its function bear the name, too
    module, _, own = verb.function.partition(":")
    assert own == name
    assert module.rpartition(".")[2] == name or verb.command in ("probe-all", "import-shared", "runs")


def test_no_module_of_the_package_hides_a_verb():
    import importlib
    import pkgutil

    tops = {m.name for m in pkgutil.iter_modules(fiftyone_daebias.__path__)}
    assert not tops & {*verbs.public_names(), *verbs.FORMER_NAMES}
    for verb in verbs.VERBS:
        importlib.import_module(f"fiftyone_daebias.{verb.function.partition(':')[0]}")
        assert getattr(fiftyone_daebias, verb.name) is verb.load()


def test_datasets_and_views_have_one_accessor_and_one_method(dataset):
    assert isinstance(dataset.daebias, Accessor) and isinstance(dataset.view().daebias, Accessor)
    assert dir(dataset.daebias) == sorted(v.name for v in ON_SAMPLES)
    assert dataset.name in repr(dataset.daebias)
    assert callable(dataset.compute_dae_embeddings)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"permutations": 99}, "probe() has no parameter 'permutations'; did you mean 'n_permutations'?"),
        ({"n_permutation": 99}, "did you mean 'n_permutations'?"),
        ({"adjust": ["sex"]}, "did you mean 'adjust_for'?"),
        ({"zzz": 1}, "parameters: samples, field, "),
    ],
)
def test_a_misspelt_argument_names_the_nearest_parameter(given, said, dataset):
    for call in (dataset.daebias.probe, lambda *a, **k: fiftyone_daebias.probe(dataset, *a, **k)):
        with pytest.raises(TypeError) as error:
            call("sex", **given)
        assert said in str(error.value) and "\n" not in str(error.value)


def test_a_missing_argument_and_a_misspelt_verb_say_so(dataset):
    with pytest.raises(TypeError, match=r"probe\(\): missing a required argument: 'field'"):
        dataset.daebias.probe()
    with pytest.raises(AttributeError, match="there is no verb 'probes'; did you mean 'probe'"):
        dataset.daebias.probes  # noqa: B018
    with pytest.raises(AttributeError):
        fiftyone_daebias.no_such_verb  # noqa: B018


def test_names_of_0_2_still_work_and_say_what_they_are_now(dataset):
    with pytest.warns(FutureWarning, match=r"dataset.runs\(\) is now dataset.daebias.runs\(\)"):
        assert dataset.runs(progress=None).runs == ()
    for old, new in verbs.FORMER_NAMES.items():
        with pytest.warns(FutureWarning, match=f"fiftyone_daebias.{new};"):
            assert getattr(fiftyone_daebias, old) is getattr(fiftyone_daebias, new)
    with pytest.warns(FutureWarning, match=r"dataset.daebias.tag\(\)"), pytest.raises(Exception):  # noqa: B017
        dataset.tag_outliers(progress=None)
