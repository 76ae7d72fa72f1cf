"""Where the FiftyOne plugin lives, and linking it into FiftyOne's plugins folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from .errors import DaebiasError

PLUGIN_NAME = "@daebias/fiftyone-daebias"
#: what a plugin's folder needs; setup.py copies the same into the package
PARTS = ("fiftyone.yml", "operators", "models")


def plugin_dir() -> Path:
    """The folder with ``fiftyone.yml``: inside an installed package, or the checkout of an editable install."""
    inside = Path(__file__).parent / "_plugin"
    return inside if (inside / "fiftyone.yml").exists() else Path(__file__).parent.parent


def link_path() -> Path:
    """Where the link to the plugin belongs."""
    import fiftyone as fo

    return Path(fo.config.plugins_dir) / "fiftyone-daebias"


def installed_plugin() -> Path | None:
    """The folder from which FiftyOne loads this plugin now, or ``None``."""
    import fiftyone.plugins as fop

    for definition in fop.list_plugins(enabled="all"):
        if definition.name == PLUGIN_NAME:
            return Path(definition.directory)
    return None


def link_plugin() -> Path:
    """Links the plugin into FiftyOne's plugins folder, unless FiftyOne finds it already.

    The App serves every file below that folder to whoever can reach it. An installed package has the plugin's files
    in a folder of their own; of a checkout only those are linked, never its root with ``.git`` and all.

    Returns:
        the folder that FiftyOne loads

    Raises:
        DaebiasError: something else lies at the link's place
    """
    link, source = link_path(), plugin_dir()
    packaged = source.name == "_plugin"
    if link.is_symlink() and not (packaged and link.resolve() == source.resolve()):
        link.unlink()  # a link of ours to an older place, or to a whole checkout
    elif not link.is_symlink() and (link / "fiftyone.yml").is_symlink():
        shutil.rmtree(link)  # what is made of a checkout below; made anew, as its parts may be others now
    found = installed_plugin()
    if found is not None:
        return found
    if link.exists() or link.is_symlink():
        raise DaebiasError(f"{link} exists but is not this plugin; move it away and run 'daebias doctor --fix' again")
    link.parent.mkdir(parents=True, exist_ok=True)
    if packaged:
        link.symlink_to(source, target_is_directory=True)
    else:
        _link_parts(source, link)
    return link


def _link_parts(source: Path, folder: Path) -> None:
    """Makes a plugin's folder of links to a checkout's parts; FiftyOne wants its entry file itself to lie in it."""
    (folder / "operators").mkdir(parents=True)
    for part in PARTS:
        if part != "operators":
            (folder / part).symlink_to(source / part)
    for part in (source / "operators").iterdir():
        if part.name == "__init__.py":
            shutil.copyfile(part, folder / "operators" / part.name)
        elif part.suffix == ".py" or (part / "__init__.py").is_file():
            (folder / "operators" / part.name).symlink_to(part)


def serves_too_much(folder: Path) -> bool:
    """Whether the folder that FiftyOne loads holds more than the plugin: its whole repository."""
    return (folder / ".git").exists()


def registry_errors() -> list[str]:
    """Errors FiftyOne met while it loaded this plugin's operators (FiftyOne itself swallows them)."""
    from fiftyone.operators.registry import OperatorRegistry

    registry = OperatorRegistry()
    return [str(e) for e in registry.list_errors()]


def registered_operators() -> list[str]:
    """URIs of this plugin's operators and panels that FiftyOne has registered."""
    from fiftyone.operators.registry import OperatorRegistry

    return sorted(o.uri for o in OperatorRegistry().list_operators() if o.uri.startswith(PLUGIN_NAME + "/"))
