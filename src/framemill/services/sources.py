"""Uploads as the sources of jobs: which may be named, and what they are called then."""

from collections.abc import Sequence

from sqlalchemy import Connection

from framemill.services.callers import Caller
from framemill.services.parts import InputRequest, about
from framemill.services.uploads import usable


def named(conn: Connection, inputs: Sequence[InputRequest], caller: Caller) -> tuple[InputRequest, ...]:
    """The inputs; those that are uploads with the upload's name, where they have none of their own.

    Raises `NotFound` and `Conflict` for an upload that cannot be used, with the field in its `param`.
    """
    found = []
    for position, one in enumerate(inputs):
        if one.upload_id is not None:
            with about(f"inputs.{position}.upload_id"):
                upload = usable(conn, one.upload_id, caller)
            one = one.model_copy(update={"filename": one.filename or upload.filename})  # noqa: PLW2901
        found.append(one)
    return tuple(found)
