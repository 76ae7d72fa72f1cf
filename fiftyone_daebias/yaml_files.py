"""Reading YAML that somebody else may have written: plain values only, bounded, and every fault in one line."""

from __future__ import annotations

from pathlib import Path

import yaml

from .errors import InputError

#: longest file, bytes; a plan of 10,000 columns has a third of it
LONGEST = 16 << 20
#: most values once everything that is named twice is written out; a few names can stand for billions
MOST_VALUES = 1_000_000
#: deepest nesting
DEEPEST = 50


def read_yaml(path: Path | str, what: str):
    """What a YAML file holds; ``None`` for an empty one.

    Args:
        path: the file
        what: what it is, as errors name it

    Raises:
        InputError: it cannot be read, is no YAML, has a key twice, or would grow without bound
    """
    path = Path(path).expanduser()
    try:
        if path.stat().st_size > LONGEST:
            raise InputError(f"{what} {path} has {path.stat().st_size:,} bytes; at most {LONGEST:,} are read")
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path} is no text in UTF-8") from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError, TypeError, AttributeError, LookupError) as error:
        # dates, numbers and words that are none raise whatever Python does
        text = "".join(c if c.isprintable() else "?" for c in " ".join(str(error).split()))[:300]
        raise InputError(f"{what} {path} is no YAML: {text or type(error).__name__}") from error
    if _size(raw, 0) > MOST_VALUES:
        raise InputError(f"{what} {path} stands for more than {MOST_VALUES:,} values, or for itself")
    return raw


def _size(value, depth: int) -> int:
    """Values in it, counted until there are too many."""
    if depth > DEEPEST:
        return MOST_VALUES + 1
    total = 1
    if isinstance(value, (dict, list, tuple, set)):
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            total += _size(part, depth + 1)
            if total > MOST_VALUES:
                break
    return total


class _Loader(yaml.SafeLoader):
    """Plain YAML that refuses a key given twice, where YAML itself would keep the last."""

    def construct_mapping(self, node, deep=False):
        if not isinstance(node, yaml.MappingNode):
            raise yaml.YAMLError(f"no mapping where one is said to be, line {node.start_mark.line + 1}")
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            try:
                twice = key in seen
            except TypeError:
                raise yaml.YAMLError(f"a key that is no word, line {key_node.start_mark.line + 1}") from None
            if twice:
                raise yaml.YAMLError(f"key {key!r} is given twice, line {key_node.start_mark.line + 1}")
            seen.add(key)
        return super().construct_mapping(node, deep)
