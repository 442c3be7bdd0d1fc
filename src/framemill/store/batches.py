"""Many changes, one transaction: what a disk asks for a commit is paid once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from framemill.store.database import Database
from framemill.store.trouble import is_conflict, is_trouble

Change: TypeAlias = Callable[[Connection], Any]

MOST_CONFLICTS = 5
"""How often a batch is made again that only another transaction kept from being written."""


class Outcome(NamedTuple):
    """What a change came to: its result, or what it raised; then nothing of it is written."""

    result: Any = None
    error: BaseException | None = None


class Batch:
    """Changes that are written together, in their order. One that raises takes back only itself.

    `write` may be called again after it raised, until it returns: the changes are then made anew, unless it turns out
    that they were written after all.
    """

    def __init__(self, database: Database, changes: Sequence[Change]) -> None:
        self._database = database
        self._changes = changes
        self._outcomes: list[Outcome] = []
        # The transaction whose commit was sent off, until it is answered.
        self._sent: str | None = None
        self._lost: BaseException | None = None

    def write(self) -> list[Outcome]:
        """Make the changes and commit them; one outcome each. Raises what the database as a whole failed with."""
        for left in reversed(range(MOST_CONFLICTS + 1)):
            try:
                return self._written()
            except DBAPIError as error:
                if not left or not (is_conflict(error) or self._sent):
                    raise
        raise AssertionError("unreachable")

    def _written(self) -> list[Outcome]:
        if self._sent is not None and self._settled(self._sent):
            return self._outcomes
        try:
            try:
                self._make(_made)
            except _OneRaised:  # seldom; a savepoint for each costs as much as what most changes do
                self._make(_made_apart)
        except BaseException as error:
            self._lost = error
            raise
        self._sent = None
        return self._outcomes

    def _make(self, made: Callable[[Connection, Change], Outcome]) -> None:
        with self._database.writing() as conn:
            self._outcomes = [made(conn, change) for change in self._changes]
            self._sent = self._database.transaction_of(conn)

    def _settled(self, sent: str) -> bool:
        """Whether a commit took place whose answer was lost: to make the changes again would make them twice."""
        committed = self._database.was_committed(sent)
        if committed is None and self._lost is not None:  # the server has not noticed yet that nobody listens
            raise self._lost
        self._sent = None
        return bool(committed)


class _OneRaised(Exception):
    """A change raised among others that are good."""


def _made(conn: Connection, change: Change) -> Outcome:
    try:
        return Outcome(change(conn))
    except Exception as error:
        if is_trouble(error) or is_conflict(error):
            raise  # not this change's fault, and the others share it
        raise _OneRaised from error


def _made_apart(conn: Connection, change: Change) -> Outcome:
    savepoint = conn.begin_nested()
    try:
        result = change(conn)
    except Exception as error:
        if is_trouble(error) or is_conflict(error):
            raise  # not this change's fault, and the others share it
        savepoint.rollback()
        return Outcome(error=error)
    savepoint.commit()
    return Outcome(result)
