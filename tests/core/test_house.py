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


def test_an_analysis_is_named_in_two_files_beside_its_own_at_most(house):
    named = house["naming"](house["files"](ROOT))
    assert len(named) == 4 and {name: files for name, files in named.items() if len(files) > 2} == {}


def test_long_signatures_become_no_more(house):
    assert len(house["long_signatures"](house["files"](ROOT))) <= 15


def test_a_circle_and_an_arrow_upwards_would_be_seen(house):
    planted = {("statistics", "probes"): {"a.py"}, ("probes", "statistics"): {"b.py"}}
    assert house["circles"](planted) == [("probes", "statistics")]
    assert house["upward"](planted) == ["statistics → probes (1)"]


def test_every_import_inside_a_function_resolves():
    """Such imports run late, in one step of a long audit; a moved module would be missed there only."""
    import ast
    import importlib.util

    import fiftyone_daebias

    root = Path(fiftyone_daebias.__file__).parent
    missing = []
    for path in sorted(root.rglob("*.py")):
        package = ".".join(path.parent.relative_to(root.parent).parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            name = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            try:
                module = importlib.import_module(name)
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{name}.{alias.name}")
            except ImportError as error:
                missing.append(f"{path.relative_to(root)}, line {node.lineno}: {error}")
    assert not missing
