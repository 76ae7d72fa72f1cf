"""The layout of the library: packages import downwards, and none imports itself by way of another."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def house():
    return runpy.run_path(str(ROOT / "tools" / "house.py"))


@pytest.fixture(scope="module")
def arrows(house):
    return house["arrows"](house["files"](ROOT))


def test_no_package_imports_itself_by_way_of_another(house, arrows):
    assert house["circles"](arrows) == []


def test_no_package_imports_one_further_up(house, arrows):
    assert house["upward"](arrows) == []


def test_every_package_has_its_level(house, arrows):
    known = {name for level in house["ORDER"] for name in level}
    assert {a for pair in arrows for a in pair} <= known


def test_a_circle_and_an_arrow_upwards_would_be_seen(house):
    planted = {("statistics", "probes"): {"a.py"}, ("probes", "statistics"): {"b.py"}}
    assert house["circles"](planted) == [("probes", "statistics")]
    assert house["upward"](planted) == ["statistics → probes (1)"]
