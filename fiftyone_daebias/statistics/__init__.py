"""Statistics as pure functions of arrays: nothing here reads a database or knows how the numbers were made."""
