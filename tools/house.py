"""What the layout of the library is measured by: ``python tools/house.py [FOLDER]``, FOLDER holding fiftyone_daebias.

Prints how many files name an analysis outside its own, functions with many
parameters, package circles and arrows that run upwards, lines, and type errors
if mypy is installed. A file names an analysis when one of its names stands in
the code or in a text of it; comments and docstrings do not count.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

PACKAGE = "fiftyone_daebias"
#: names of an analysis, and what its own files are called
ANALYSES = {
    "case mix": (r"case.?mix|CaseMix", r"case_mix"),
    "image quality": (
        r"QualityTable|QUALITY_RUN|image.quality|quality_claims|['\"]quality['\"]",
        r"quality|file_facts",
    ),  # a JPEG's
    "drift": (r"\bdrift|Drift", r"drift|change_points"),
    "re-identification": (r"reidentif|Reidentif|re-identif", r"reidentify|neighbours"),
}
MOST_PARAMETERS = 8
TYPED = ("statistics", "dae", "probes", "store")
#: packages from the bottom up; an import of one further up is an arrow that runs upwards
ORDER = (
    ("statistics", "store"),
    ("findings", "cohort", "phantoms"),
    ("dae",),
    ("embeddings",),
    ("baselines", "probes"),
    ("clustering", "quality_control", "quality"),
    ("explanation", "explain", "detection_limits", "sensitivity"),
    ("stories",),
    ("reporting", "report"),
    ("sharing", "share"),
    ("demo",),
)


def files(root: Path) -> dict[str, ast.Module]:
    """``{path below root: its syntax tree}`` of the library and of the plugin's operators."""
    found = [p for part in (PACKAGE, "operators") for p in sorted((root / part).rglob("*.py"))]
    return {p.relative_to(root).as_posix(): ast.parse(p.read_text(encoding="utf-8")) for p in found}


def said(tree: ast.Module) -> str:
    """Names and texts of a file, without its docstrings."""
    docs = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docs.add(id(first.value))
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            out.append(repr(node.value))
        elif isinstance(node, ast.Name):
            out.append(node.id)
        elif isinstance(node, ast.Attribute):
            out.append(node.attr)
        elif isinstance(node, ast.alias):
            out.append(node.name)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            out.append(node.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            out.append(node.module)
    return "\n".join(out)


def naming(trees: dict[str, ast.Module]) -> dict[str, list[str]]:
    """``{analysis: files that name it and are not its own}``."""
    texts = {path: said(tree) for path, tree in trees.items()}
    return {
        name: [p for p, t in texts.items() if re.search(pattern, t) and not re.search(own, p)]
        for name, (pattern, own) in ANALYSES.items()
    }


def long_signatures(trees: dict[str, ast.Module]) -> list[str]:
    """Functions with more than :data:`MOST_PARAMETERS` parameters, verbs excepted."""
    out = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                verb = "progress" in names and names[0] in ("samples", "name", "dataset")
                if len([n for n in names if n not in ("self", "cls")]) > MOST_PARAMETERS and not verb:
                    out.append(f"{path}:{node.name}")
    return out


def arrows(trees: dict[str, ast.Module]) -> dict[tuple[str, str], set[str]]:
    """``{(package, package that it imports at the top of a file): files}``."""
    out = defaultdict(set)
    for path, tree in trees.items():
        parts = path.split("/")
        if parts[0] != PACKAGE or len(parts) < 3:
            continue
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level:
                base = parts[1 : len(parts) - node.level]
                module = (node.module or "").split(".") if node.module else []
                names = [[*base, *module]] if module else [[*base, a.name] for a in node.names]
                for target in names:
                    if len(target) and target[0] != parts[1]:
                        out[parts[1], target[0]].add(path)
    packages = {p.split("/")[1] for p in trees if p.startswith(PACKAGE) and p.count("/") > 1}
    return {pair: by for pair, by in out.items() if pair[1] in packages}


def circles(found: dict[tuple[str, str], set[str]]) -> list[tuple[str, str]]:
    """Pairs of packages of which each reaches the other."""
    after = defaultdict(set)
    for a, b in found:
        after[a].add(b)

    def reach(start: str) -> set[str]:
        seen, todo = set(), [start]
        while todo:
            for b in after[todo.pop()]:
                if b not in seen:
                    seen.add(b)
                    todo.append(b)
        return seen

    reached = {a: reach(a) for a in list(after)}
    return sorted((a, b) for a in reached for b in reached[a] if a < b and a in reached.get(b, ()))


def upward(found: dict[tuple[str, str], set[str]]) -> list[str]:
    """Arrows from a package to one further up."""
    level = {name: n for n, names in enumerate(ORDER) for name in names}
    return sorted(f"{a} → {b} ({len(by)})" for (a, b), by in found.items() if level.get(a, 99) < level.get(b, -1))


def type_errors(root: Path) -> int | None:
    """Errors of mypy in the typed packages; ``None`` without mypy."""
    if shutil.which("mypy") is None:
        return None
    parts = [f"{PACKAGE}/{p}" for p in TYPED if (root / PACKAGE / p).exists()]
    done = subprocess.run(["mypy", *parts], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.count(": error:")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--list", action="store_true", help="name what is counted")
    parser.add_argument("--types", action="store_true", help="run mypy, too")
    options = parser.parse_args()
    trees = files(options.folder)
    lists = {f"files naming {name} outside its own": by for name, by in naming(trees).items()}
    lists[f"functions with more than {MOST_PARAMETERS} parameters, verbs excepted"] = long_signatures(trees)
    lists["files called verb.py"] = [p for p in trees if p.endswith("/verb.py")]
    found = arrows(trees)
    lists["pairs of packages that import each other, however far round"] = [" ↔ ".join(p) for p in circles(found)]
    lists["arrows that run upwards"] = upward(found)
    for what, names in lists.items():
        print(f"{len(names):6,}  {what}")
        for name in names if options.list else ():
            print(f"        {name}")
    lines = sum(len((options.folder / p).read_text(encoding="utf-8").splitlines()) for p in trees if PACKAGE in p)
    print(f"{lines:6,}  lines of the library")
    if options.types:
        n = type_errors(options.folder)
        print(f"{'–' if n is None else n:>6}  type errors in {', '.join(TYPED)}")


if __name__ == "__main__":
    main()
