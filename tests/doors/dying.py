"""An API that is killed before a commit: run by itself, it asks itself one thing, and does not live to see its end."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from front_door import FrontDoor
from placed import Placed, folder_of
from sqlalchemy import Connection, func, select

from framemill.jobs.uploads import UploadState
from framemill.services.fileplace import FilePlace
from framemill.storage.access import S3Access
from framemill.storage.blobs import BucketAt, Home
from framemill.storage.s3blobs import S3Blobs
from framemill.store.exchange_tables import uploads
from framemill.store.video_tables import videos

KILLED = 9


class Fatal(Placed):
    """Its process dies with what is about to be committed: a video, or that an upload is whole."""

    def __init__(self, url: str, folder: Path, before: str) -> None:
        super().__init__(url, folder)
        self._before = before

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        with super().writing() as conn:
            yield conn
            if self._is_written(conn):
                os._exit(KILLED)

    def _is_written(self, conn: Connection) -> bool:
        rows = select(func.count()).select_from(videos)
        if self._before == "upload":
            rows = select(func.count()).select_from(uploads).where(uploads.c.state == UploadState.COMPLETED)
        return bool(conn.execute(rows).scalar())


def use_bucket(door: FrontDoor, endpoint: str) -> S3Blobs:
    """Have the farm's files in moto's bucket `farm`."""
    folder = folder_of(door.database)
    access = S3Access(access_key_id="test", secret_access_key="test", endpoint=endpoint)  # noqa: S106
    home = Home(root=folder / "blobs", work=folder / "work", bucket=BucketAt(name="farm", access=access))
    blobs = S3Blobs(home)
    object.__setattr__(door.parts, "files", FilePlace(blobs=blobs, work=home.work))
    return blobs


def main(*words: str) -> None:
    """Ask it; whoever comes back was not killed."""
    url, folder, before, endpoint, bearer, path, body = words
    door = FrontDoor(Fatal(url, Path(folder), before))
    if endpoint:
        use_bucket(door, endpoint)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=door.whole)
        async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
            return await client.post(path, json=json.loads(body), headers={"Authorization": f"Bearer {bearer}"})

    sys.exit(asyncio.run(ask()).text)


if __name__ == "__main__":
    main(*sys.argv[1:])
