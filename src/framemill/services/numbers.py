"""Numbers that a door's clients know its things by."""

from collections.abc import Collection

from framemill.errors import NotFound
from framemill.store import numbers as rows
from framemill.store.database import Database


class Numbers:
    """Of the things of one kind that a door has. Plain functions: an event loop calls them in threads."""

    def __init__(self, database: Database, *, door: str, kind: str, first: int = 1) -> None:
        self._database = database
        self._door = door
        self._kind = kind
        self._first = first

    def of(self, our_id: str) -> int:
        """The number of a thing, from now on and for ever."""
        return self.of_all([our_id])[our_id]

    def of_all(self, our_ids: Collection[str]) -> dict[str, int]:
        """The same of several, by their ids; those that are new get theirs in this order."""
        known = self.known(our_ids)
        if new := [one for one in our_ids if one not in known]:
            with self._database.writing() as conn:
                known |= {one: rows.numbered(conn, self._door, self._kind, one, first=self._first) for one in new}
        return known

    def known(self, our_ids: Collection[str]) -> dict[str, int]:
        """Those that they have by now."""
        with self._database.reading() as conn:
            return rows.numbers_of(conn, self._door, self._kind, our_ids)

    def id_of(self, number: int) -> str:
        """The thing that has it. Raises `NotFound`."""
        with self._database.reading() as conn:
            found = rows.with_number(conn, self._door, self._kind, number)
        if found is None:
            raise NotFound(f"There is no {self._kind} {number}.")
        return found
