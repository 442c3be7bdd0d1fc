"""Inputs one by one, for who asks for their bytes."""

from sqlalchemy import Connection, select

from framemill.jobs.model import Input
from framemill.store.rows import from_row
from framemill.store.schema import inputs


def load_input(conn: Connection, input_id: str) -> Input | None:
    """The input of that id, where there is one."""
    row = conn.execute(select(inputs).where(inputs.c.id == input_id)).mappings().first()
    return None if row is None else from_row(Input, row)
