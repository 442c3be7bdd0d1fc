"""Originals of videos as they are fetched: what a job reads, under the name that it came with."""

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from framemill.errors import NotFound
from framemill.jobs.model import Input
from framemill.services.fileplace import FilePlace
from framemill.services.links import Opened
from framemill.services.outputs import OutputFile, require_grant
from framemill.store.database import Database
from framemill.store.inputs import load_input


def original(database: Database, place: FilePlace, opened: Opened) -> OutputFile:
    """The bytes of that input of a job, for whoever has a link to it. Raises `NotFound`, also before they are here."""
    with database.reading() as conn:
        require_grant(conn, opened.grant)
        source = load_input(conn, opened.id)
    if source is None or not landed(source):
        raise NotFound("There is no such original, or not yet.")
    path = Path(source.blob or "")
    shared = place.blobs.shared and path.is_relative_to(place.blobs.root)
    return OutputFile(
        path=path,
        output_id=source.id,
        name=name_of(source),
        sha256=source.sha256,
        size=source.size or 0,
        held=True,
        key=path.relative_to(place.blobs.root).as_posix() if shared else "",
        bucket=place.straight if shared else None,
    )


def landed(source: Input) -> bool:
    """Whether all of its bytes are here."""
    return source.blob is not None and source.size is not None


def name_of(source: Input) -> str:
    """What the original is called."""
    name = source.filename or PurePosixPath(unquote(urlsplit(source.uri).path)).name
    return name.replace("/", "_") or "original"
