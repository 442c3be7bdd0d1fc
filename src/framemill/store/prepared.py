"""Statements that are asked for every chunk: compiled once for each database, and then as quick as its driver."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from sqlalchemy import BindParameter, ClauseElement, Connection, CursorResult, Dialect
from sqlalchemy.sql.compiler import SQLCompiler

_Process = Callable[[Any], Any]


class _Value(NamedTuple):
    name: str
    usual: Any
    """Where nobody gives another one; `_NEEDED`: somebody has to."""
    process: _Process | None
    """From a value to what the driver takes; none: it is taken as it is."""


_NEEDED = object()


class Prepared:
    """A statement whose values have names (`bindparam`). SQLAlchemy's own way from a statement to its text, though
    cached, takes longer than SQLite takes to carry it out.

    For statements that return no rows, or rows of plain values: those come as the driver has them.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._texts: dict[str, tuple[str, tuple[_Value, ...], bool]] = {}

    def run(self, conn: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Carry it out. Raises `KeyError` for a value that is missing."""
        known = self._texts.get(conn.dialect.name)
        if known is None:
            known = self._texts[conn.dialect.name] = self._compiled(conn.dialect)
        text, wanted, positional = known
        given = [
            (values[one.name] if one.usual is _NEEDED else one.usual)
            if one.process is None
            else one.process(values[one.name] if one.usual is _NEEDED else one.usual)
            for one in wanted
        ]
        if positional:
            return conn.exec_driver_sql(text, tuple(given))
        return conn.exec_driver_sql(text, {one.name: value for one, value in zip(wanted, given, strict=True)})

    def _compiled(self, dialect: Dialect) -> tuple[str, tuple[_Value, ...], bool]:
        compiled = cast(SQLCompiler, self._statement.compile(dialect=dialect))
        by_name = {name: _value(name, bind, dialect) for bind, name in compiled.bind_names.items()}
        if compiled.positional:
            return compiled.string, tuple(by_name[name] for name in compiled.positiontup or ()), True
        return compiled.string, tuple(by_name.values()), False


def _value(name: str, bind: BindParameter[Any], dialect: Dialect) -> _Value:
    process = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return _Value(name, _NEEDED if bind.required else bind.value, process)
