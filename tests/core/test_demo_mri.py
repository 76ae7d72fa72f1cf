"""The drawn demo's settings; the demo itself takes minutes and is run by "make demo-mri"."""

from fiftyone_daebias import verbs
from fiftyone_daebias.demo import mri
from fiftyone_daebias.phantoms.plants import parse_plant
from fiftyone_daebias.reporting.audit_config import AuditConfig


def test_the_audits_settings_and_the_plant_are_read():
    settings = AuditConfig.read(mri.CONFIG)
    assert settings.by == mri.REGION_FIELD and settings.parameters("train")["images"] == 3200
    assert settings.parameters("explain") is None  # the demo explains the planted site itself
    assert tuple(settings.parameters("probe-all")["adjust_for"]) == ("sex", "age", mri.REGION_FIELD)
    plant = parse_plant(mri.PLANT, ["A", "B", "C", "D"])
    assert (plant.kind, plant.strength) == ("shift", 43)
    known = {p.name for p in verbs.parameters(verbs.by_command("explain").load())}
    assert {"field", "value", "image_size", "n_slices", "steps", "n_maps", "n_permutations"} <= known
