"""Hooks of the documents' site: the reference is written from the functions' own signatures and docstrings."""

from __future__ import annotations

import re

from fiftyone_daebias import command_table, verbs


def on_page_markdown(markdown: str, page, config, files) -> str:
    """MkDocs asks for the text of every page."""
    return reference(markdown) if page.file.src_uri == "reference.md" else markdown


def reference(head: str) -> str:
    """The reference: every verb in its group, with parameters, defaults and an example."""
    known = {v.command: v for v in verbs.VERBS}
    lines = [head.rstrip(), ""]
    for name, about, members in command_table.grouped({c: v.label for c, v in known.items()}):
        lines += [f"## {name.capitalize()}: {about}", ""]
        for command, label in members:
            lines += _entry(known[command], label)
    return "\n".join(lines)


def _entry(verb: verbs.Verb, label: str) -> list[str]:
    doc, parameters = verb.describe()
    text, _, rest = doc.partition("\nArgs:\n")
    lines = [f"### {verb.command}", "", f"*{label}.*", "", _plain(text.strip()), ""]
    lines += ["```", *(f"daebias {e}" for e in command_table.EXAMPLES.get(verb.command, ())), "```", ""]
    if parameters:
        lines += ["| parameter | default | what it is |", "| --- | --- | --- |"]
        lines += [f"| `{p.name}` | {_default(p)} | {_cell(p)} |" for p in parameters]
        lines.append("")
    for part in ("Returns", "Raises"):
        if match := re.search(rf"^{part}:\n((?:[ \n].*\n?)+)", rest, re.MULTILINE):
            lines += [f"**{part}**: " + _plain(" ".join(match.group(1).split())), ""]
    return lines


def _default(parameter: verbs.Parameter) -> str:
    return "required" if parameter.required else "" if parameter.default is None else f"`{parameter.default}`"


def _cell(parameter: verbs.Parameter) -> str:
    choices = f" One of {', '.join(f'`{c}`' for c in parameter.choices)}." if parameter.choices else ""
    text = _plain(parameter.help).replace("|", "\\|").replace("\n", " ")
    return text[:1].upper() + text[1:] + ("." if choices else "") + choices


def _plain(text: str) -> str:
    """A docstring's text as Markdown: roles of Sphinx become code, and nothing is read as HTML."""
    text = re.sub(r":\w+:`[~!]?([^`]+)`", r"`\1`", text)
    return re.sub(r"<(?=\w)", "&lt;", text)
