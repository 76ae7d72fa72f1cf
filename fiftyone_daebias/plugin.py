"""Where the FiftyOne plugin lives, and linking it into FiftyOne's plugins folder."""

from __future__ import annotations

from pathlib import Path

from .errors import DaebiasError

PLUGIN_NAME = "@daebias/fiftyone-daebias"


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

    Returns:
        the folder that FiftyOne loads

    Raises:
        DaebiasError: something else lies at the link's place
    """
    link = link_path()
    if link.is_symlink() and link.resolve() != plugin_dir().resolve():
        link.unlink()  # a link of ours to an older place
    found = installed_plugin()
    if found is not None:
        return found
    if link.exists() or link.is_symlink():
        raise DaebiasError(f"{link} exists but is not this plugin; move it away and run 'daebias doctor --fix' again")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(plugin_dir(), target_is_directory=True)
    return link


def registry_errors() -> list[str]:
    """Errors FiftyOne met while it loaded this plugin's operators (FiftyOne itself swallows them)."""
    from fiftyone.operators.registry import OperatorRegistry

    registry = OperatorRegistry()
    return [str(e) for e in registry.list_errors()]


def registered_operators() -> list[str]:
    """URIs of this plugin's operators and panels that FiftyOne has registered."""
    from fiftyone.operators.registry import OperatorRegistry

    return sorted(o.uri for o in OperatorRegistry().list_operators() if o.uri.startswith(PLUGIN_NAME + "/"))
