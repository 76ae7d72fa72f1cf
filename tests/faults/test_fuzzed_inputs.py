"""Whatever is handed over is read, or refused in one line: short, derandomised runs of benchmarks/fuzz_inputs.py."""

import importlib.util
from pathlib import Path

import pytest
from faults import fuzzed_inputs as fuzzed
from hypothesis import HealthCheck, given, settings
from sharing.test_archive import contents, sealed

from fiftyone_daebias.sharing.contents import to_members

FEW = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@given(fuzzed.configs())
@settings(FEW, max_examples=60)
def test_any_configuration_of_an_audit(text):
    fuzzed.check_config(text)


@pytest.mark.parametrize(
    "text",
    [
        "dataset: x\nseed: 2020-13-45",
        "&a [*a]",
        fuzzed._bomb(12),
        "seed: " + "9" * 400,
        "!!bool x",
        'by: "\\U00074\U0008e57c"',
    ],
)
def test_configurations_that_once_ended_in_a_traceback_or_without_end(text):
    assert fuzzed.check_config(text) == "refused"


@given(fuzzed.plans())
@FEW
def test_any_plan_of_a_registration(text):
    fuzzed.check_plan(text)


@given(fuzzed.bundles(to_members(contents()), sealed))
@FEW
def test_any_bundle(members):
    fuzzed.check_bundle(members)


@pytest.fixture(scope="module")
def ingest(tmp_path_factory):
    path = Path(__file__).parents[2] / "benchmarks" / "fuzz_ingest.py"
    if not path.exists():
        pytest.skip("benchmarks are not here")
    spec = importlib.util.spec_from_file_location("fuzz_ingest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize("name", ["classic.dcm", "enhanced.dcm", "a.nii"])
def test_any_header(ingest, name, daebias_home):
    module, seeds = ingest
    kind = fuzzed.dicom_files if name.endswith(".dcm") else fuzzed.nifti_files

    @given(kind(seeds[name]))
    @settings(FEW, max_examples=40)
    def run(data):
        fuzzed.check_image(data, Path(name).suffix, module.outcome)

    run()
