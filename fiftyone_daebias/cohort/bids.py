"""Tables that lie inside a BIDS folder: participants.tsv and the sessions of each subject."""

from __future__ import annotations

from pathlib import Path

from .table import Table, read_table
from .unfetched import not_here

#: column of BIDS tables that names the subject
SUBJECT = "participant_id"


def find_participants(root: Path) -> tuple[Path | None, str]:
    """The folder's participants.tsv, if there is one and its content is here; and a note on it, "" if there is none."""
    path = root / "participants.tsv"
    if not path.exists() and not path.is_symlink():
        return None, ""
    if reason := not_here(path):
        return None, f"participants.tsv was not read, so there is no table: {reason}"
    return path, "table: the folder's own participants.tsv"


def with_sessions(table: Table, root: Path) -> tuple[Table, str]:
    """Adds what ``sub-*/sub-*_sessions.tsv`` say: one row a session instead of one a subject.

    A column that both tables have keeps the session's value, where it has one.

    Returns:
        the table, and a note ("" when there are no such files)
    """
    if SUBJECT not in table.columns or not any(root.glob("sub-*/sub-*_sessions.tsv")):
        return table, ""
    columns, rows, n_files, away = list(table.columns), [], 0, []
    for row in table.rows:
        name = str(row[SUBJECT] or "").strip()
        name = name if name.startswith("sub-") else f"sub-{name}"
        path = root / name / f"{name}_sessions.tsv"
        reason = not_here(path) if path.exists() or path.is_symlink() else ""
        if reason:
            away.append(reason)
        if reason or not path.is_file():
            rows.append(row)
            continue
        sessions = read_table(path)
        n_files += 1
        columns += [c for c in sessions.columns if c not in columns]
        for session in sessions.rows:
            known = {c: v for c, v in session.items() if v is not None and str(v).strip().lower() not in ("", "n/a")}
            rows.append({**row, **known})
    notes = [f"{len(away)} sessions.tsv were not read: {away[0]}"] if away else []
    if not n_files:
        return table, "; ".join(notes)
    note = "; ".join([f"sessions read from {n_files} sessions.tsv: one row a session", *notes])
    joined = [{c: r.get(c) for c in columns} for r in rows]
    return Table(table.path, columns, joined, table.decisions, table.layout), note
