"""The connection to the database: how long it is waited for, and telling that it is gone."""

from __future__ import annotations

import atexit
import re

import fiftyone as fo
import fiftyone.core.odm.database as database
from pymongo.errors import ConnectionFailure

#: seconds after which a server that was named does not answer; pymongo's own half minute is for elections of replicas
PATIENCE = 4


def be_impatient() -> None:
    """Bounds the wait for a server that the user named, unless the address itself says how long to wait."""
    uri = fo.config.database_uri
    if uri and "serverselectiontimeoutms" not in uri.lower():
        database._connection_kwargs.setdefault("serverSelectionTimeoutMS", 1000 * PATIENCE)


def is_away(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that the database does not answer."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ConnectionFailure) or isinstance(error, ConnectionError) and "mongod" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def address() -> str:
    """Where the database should be; without a password."""
    uri = fo.config.database_uri
    return re.sub(r"//[^@/]*@", "//***@", uri) if uri else f"FiftyOne's own mongod in {fo.config.database_dir}"


def leave() -> None:
    """Keeps FiftyOne from asking a database that is away once more when the process ends."""
    atexit.unregister(database._delete_non_persistent_datasets_if_allowed)
