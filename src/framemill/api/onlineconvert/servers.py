"""Where bytes are sent to and fetched from."""

from urllib.parse import quote

from fastapi import Request

from framemill.api.door import bytes_url
from framemill.api.onlineconvert.names import MOUNT
from framemill.jobs.model import Output
from framemill.sealing import Seals
from framemill.services.links import lasting_token


def server_of(request: Request) -> str:
    """What the URLs of uploads and downloads begin with, as the client has asked."""
    return bytes_url(request, MOUNT)


def uri_of(seals: Seals, server: str, output: Output, path: str | None = None) -> str:
    """Where an output is fetched: the same whenever it is asked for. `path`: a file of one that is a folder of them.

    Ids are made one after the other, so a part of the path is signed: only who was told a link knows it.
    """
    place = f"{server}/download-file/{output.job_id}/{lasting_token(seals, output.id)}"
    return f"{place}/{quote(path or output.name)}"
