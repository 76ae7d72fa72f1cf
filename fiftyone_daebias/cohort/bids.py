"""Tables that lie inside a BIDS folder: participants.tsv and the sessions of each subject."""

from __future__ import annotations

from pathlib import Path

from .table import Table, read_table

#: column of BIDS tables that names the subject
SUBJECT = "participant_id"


def find_participants(root: Path) -> Path | None:
    """The folder's participants.tsv, if there is one."""
    path = root / "participants.tsv"
    return path if path.is_file() else None


def with_sessions(table: Table, root: Path) -> tuple[Table, str]:
    """Adds what ``sub-*/sub-*_sessions.tsv`` say: one row a session instead of one a subject.

    A column that both tables have keeps the session's value, where it has one.

    Returns:
        the table, and a note ("" when there are no such files)
    """
    if SUBJECT not in table.columns:
        return table, ""
    columns, rows, n_files = list(table.columns), [], 0
    for row in table.rows:
        name = str(row[SUBJECT] or "").strip()
        name = name if name.startswith("sub-") else f"sub-{name}"
        path = root / name / f"{name}_sessions.tsv"
        if not path.is_file():
            rows.append(row)
            continue
        sessions = read_table(path)
        n_files += 1
        columns += [c for c in sessions.columns if c not in columns]
        for session in sessions.rows:
            known = {c: v for c, v in session.items() if v is not None and str(v).strip().lower() not in ("", "n/a")}
            rows.append({**row, **known})
    if not n_files:
        return table, ""
    note = f"sessions read from {n_files} sessions.tsv: one row a session"
    return Table(table.path, columns, [{c: r.get(c) for c in columns} for r in rows]), note
