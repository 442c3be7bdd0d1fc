"""Files of Google Drive, with the token of whoever asks: `gdrive://ID` is a file or a folder, and `gdrive://FOLDER/name`
a file in it, or further below."""

import contextlib
from collections.abc import Generator, Iterator
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Literal

from framemill.errors import (
    StorageBroken,
    StorageError,
    StorageExists,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.access import Access, DriveAccess
from framemill.storage.address import Address
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.driveclient import DriveClient
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience
from framemill.storage.resuming import resumed

_FOLDER = "application/vnd.google-apps.folder"
_NO_FILES = "application/vnd.google-apps."  # documents, links and folders of Google's own: nothing to fetch
_FIELDS = "id,name,size,md5Checksum,modifiedTime,createdTime,mimeType,headRevisionId"
_ALL_DRIVES = {"supportsAllDrives": "true"}
_LISTING = {**_ALL_DRIVES, "includeItemsFromAllDrives": "true"}
_CHUNK_BYTES = 8 << 20  # a multiple of 256 KiB
_PIECE_BYTES = 256 << 10  # after which whoever listens hears of them
_DEEPEST = 32  # folders below each other
_PAGE = 1000


def opened(address: Address, access: Access | None, reach: Reach | None, patience: Patience) -> "DriveStorage":
    """As `storage.opening.opened`. Raises `StorageRefused` without a token."""
    if not isinstance(access, DriveAccess):
        raise StorageRefused("Google Drive is entered with a token: give one as credentials of kind gdrive.")
    return DriveStorage(address.host, access, reach, patience)


class DriveStorage:
    """A file, or a folder with all below it; paths are names below it.

    Drive allows several files of one name in a folder: the newest is meant. Where there was to be none, the first
    one stays, and whoever comes later takes theirs away. A name with a slash in it cannot be said in a path.
    """

    def __init__(self, root: str, access: DriveAccess, reach: Reach | None, patience: Patience) -> None:
        self._root = root
        self._drive = DriveClient(access, reach, patience)

    def stat(self, path: str) -> Stat:
        """What is known of it."""
        return _stat(path, self._file(path))

    def read(self, path: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, fewer at its end."""
        found = self._file(path)
        end = min(end, int(found.get("size", end)))
        read = bytearray()
        with contextlib.closing(self._blocks(path, found, start, end)) as blocks:
            for block in blocks:
                read += block
        return bytes(read)

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Its bytes, from there on; where it breaks off it is gone on with, if it is still the same file."""
        found = self._file(path)
        first = _stat(path, found)

        def blocks(at: int) -> Generator[bytes, None, None]:
            if at != start:
                self._require_same(first)
            yield from self._blocks(path, found, at, first.size)
            self._require_same(first)

        yield from resumed(blocks, start, self._drive.patience.retries)

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        """Send it in an upload that can be taken up again; it appears when all of it has come."""
        if sending.acl is not None:
            raise StorageRefused("Google Drive has no canned access control lists: leave the ACL away.")
        folders, _, name = path.rpartition("/")
        if not name:
            raise StorageRefused("Name the file that is to be made: gdrive://FOLDER/name.")
        parent = self._folder(folders)
        there = self._named(parent, name, path)
        if there and sending.if_exists == "fail":
            raise self._exists(path)
        kind = sending.content_type or "application/octet-stream"
        about = {"mimeType": kind} if there else {"name": name, "parents": [parent], "mimeType": kind}
        size = source.stat().st_size
        session = self._begun(path, there[-1]["id"] if there else None, about, size)
        try:
            with source.open("rb") as file:
                made = self._sent(session, path, file, size, on_bytes)
        except BaseException:
            with contextlib.suppress(StorageError):
                self._drive.asked("DELETE", session, self._what(path), "write")
            raise
        if sending.if_exists == "fail":
            first = min(self._named(parent, name, path), key=lambda one: (one["createdTime"], one["id"]), default=made)
            if first["id"] != made["id"]:
                self._removed(made["id"], path)
                raise self._exists(path)
        return self._whole(_stat(path, made), size)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Everything below a folder, in the order of their paths; nothing below one that is not there."""
        parent = self._found(prefix.strip("/"))
        if parent is not None:
            yield from self._below(parent["id"], prefix, 0)

    def delete(self, path: str) -> None:
        """Remove it for good."""
        found = self._found(path)
        if found is not None:
            self._removed(found["id"], path)

    def presign(self, path: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """Drive cannot."""
        return None

    def close(self) -> None:
        """Close the connections."""
        self._drive.close()

    def _file(self, path: str) -> dict[str, Any]:
        found = self._found(path)
        if found is None:
            raise StorageMissing(f"{self._what(path)}: there is no such file. Check the id and the name.")
        if "size" not in found and found["mimeType"].startswith(_NO_FILES):
            raise StorageMissing(f"{self._what(path)} is a folder, or a document of Google's, and no file.")
        return found

    def _found(self, path: str) -> dict[str, Any] | None:
        """What is there by that path; none: nothing. Raises `StorageMissing` where not even the beginning is."""
        here: dict[str, Any] = {"id": self._root}
        names = path.split("/") if path else []
        for name in names:
            there = self._named(here["id"], name, path)
            if not there:
                return None
            here = there[-1]
        if names:
            return here
        url = self._drive.url(f"/drive/v3/files/{self._root}")
        answer = self._drive.asked("GET", url, self._what(""), "read", params={"fields": _FIELDS, **_ALL_DRIVES})
        return dict(answer.json())

    def _named(self, parent: str, name: str, path: str) -> tuple[dict[str, Any], ...]:
        """All of that name in a folder, the newest last."""
        said = name.replace("\\", "\\\\").replace("'", "\\'")
        found = self._listed(f"'{parent}' in parents and name = '{said}' and trashed = false", path)
        return tuple(sorted(found, key=lambda one: (one.get("modifiedTime", ""), one["id"])))

    def _listed(self, query: str, path: str) -> Iterator[dict[str, Any]]:
        wanted = {"q": query, "fields": f"nextPageToken,files({_FIELDS})", "pageSize": _PAGE, **_LISTING}
        while True:
            page = self._drive.asked("GET", self._drive.url("/drive/v3/files"), self._what(path), "list", params=wanted)
            found = page.json()
            yield from found.get("files", [])
            if not found.get("nextPageToken"):
                return
            wanted["pageToken"] = found["nextPageToken"]

    def _below(self, parent: str, prefix: str, depth: int) -> Iterator[Stat]:
        if depth > _DEEPEST:
            raise StorageBroken(f"{self._what(prefix)} is more than {_DEEPEST} folders deep.")
        newest: dict[str, dict[str, Any]] = {}
        found = self._listed(f"'{parent}' in parents and trashed = false", prefix)
        for one in sorted(found, key=lambda one: (one.get("modifiedTime", ""), one["id"])):
            if one["name"] not in {"", ".", ".."} and "/" not in one["name"]:
                newest[one["name"]] = one
        # In the order of whole paths, a folder's name goes on with a slash.
        for name, one in sorted(newest.items(), key=lambda pair: pair[0] + "/" * (pair[1]["mimeType"] == _FOLDER)):
            if one["mimeType"] == _FOLDER:
                yield from self._below(one["id"], f"{prefix}{name}/", depth + 1)
            elif "size" in one or not one["mimeType"].startswith(_NO_FILES):
                yield _stat(prefix + name, one)

    def _folder(self, path: str) -> str:
        """The id of a folder, which is made where it is not there."""
        here, done = self._root, ""
        for name in path.split("/") if path else []:
            done = f"{done}/{name}".lstrip("/")
            there = [one for one in self._named(here, name, done) if one["mimeType"] == _FOLDER]
            if there:
                here = there[0]["id"]
                continue
            made = self._drive.asked(
                "POST",
                self._drive.url("/drive/v3/files"),
                self._what(done),
                "write",
                params={"fields": "id", **_ALL_DRIVES},
                json={"name": name, "parents": [here], "mimeType": _FOLDER},
            )
            here = made.json()["id"]
        return here

    def _begun(self, path: str, replaced: str | None, about: dict[str, Any], size: int) -> str:
        """The URL of an upload: of a new file, or of new bytes for the one that is there."""
        answer = self._drive.asked(
            "PATCH" if replaced else "POST",
            self._drive.url(f"/upload/drive/v3/files{'/' + replaced if replaced else ''}"),
            self._what(path),
            "write",
            params={"uploadType": "resumable", "fields": _FIELDS, **_ALL_DRIVES},
            headers={"X-Upload-Content-Type": about["mimeType"], "X-Upload-Content-Length": str(size)},
            json=about,
        )
        session = answer.headers.get("Location")
        if not session:
            raise StorageBroken(f"{self._what(path)}: Google Drive did not say where to send it. Try again.")
        return str(session)

    def _sent(self, session: str, path: str, file: IO[bytes], size: int, on_bytes: OnBytes | None) -> dict[str, Any]:
        """All of the file; after a break as much as has not come."""
        at = failures = heard = 0

        def pieces(chunk: bytes) -> Iterator[bytes]:
            nonlocal heard
            for first in range(0, len(chunk), _PIECE_BYTES):
                piece = chunk[first : first + _PIECE_BYTES]
                if on_bytes is not None and at + first + len(piece) > heard:
                    heard = at + first + len(piece)
                    on_bytes(heard, size)  # while it can still be taken back
                yield piece

        while True:
            file.seek(at)
            chunk = file.read(_CHUNK_BYTES)
            span = f"bytes {at}-{at + len(chunk) - 1}/{size}" if chunk else f"bytes */{size}"
            sending = {"Content-Range": span, "Content-Length": str(len(chunk))}
            try:
                with self._drive.answered(
                    "PUT", session, self._what(path), "write", headers=sending, content=pieces(chunk)
                ) as answer:
                    answer.read()
            except (StorageUnreachable, StorageBroken):
                if failures == self._drive.patience.retries:
                    raise
                self._drive.pause(failures)
                asking = {"Content-Range": f"bytes */{size}"}
                answer = self._drive.asked("PUT", session, self._what(path), "write", headers=asking)
            if answer.status_code != HTTPStatus.PERMANENT_REDIRECT:
                return dict(answer.json())
            came = int(answer.headers["Range"].rpartition("-")[2]) + 1 if "Range" in answer.headers else 0
            failures = 0 if came > at else failures + 1
            if failures > self._drive.patience.retries:
                raise StorageBroken(f"{self._what(path)}: {came} of {size} bytes came through. Try again.")
            at = came

    def _blocks(self, path: str, found: dict[str, Any], start: int, end: int | None) -> Generator[bytes, None, None]:
        """From `start` to `end` (none: all that comes)."""
        if end is not None and start >= end:
            return
        asked = {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        url = self._drive.url(f"/drive/v3/files/{found['id']}")
        with self._drive.answered(
            "GET", url, self._what(path), "read", params={"alt": "media", **_ALL_DRIVES}, headers=asked
        ) as answer:
            at = start if answer.status_code == HTTPStatus.PARTIAL_CONTENT else 0  # whoever knows no ranges sends all
            for block in answer.iter_raw():
                wanted = block[max(0, start - at) : None if end is None else end - at]
                at += len(block)
                if wanted:
                    yield wanted
                if end is not None and at >= end:
                    break
        if end is not None and at < end:
            raise StorageBroken(f"{self._what(path)}: {at} of {end} bytes came through. Try again.")

    def _removed(self, file_id: str, path: str) -> None:
        url = self._drive.url(f"/drive/v3/files/{file_id}")
        with contextlib.suppress(StorageMissing):
            self._drive.asked("DELETE", url, self._what(path), "delete", params=_ALL_DRIVES)

    def _require_same(self, first: Stat) -> None:
        if self.stat(first.path) != first:
            raise StorageBroken(f"{self._what(first.path)} was changed while it was read. Try again.")

    def _whole(self, found: Stat, size: int) -> Stat:
        if found.size != size:
            raise StorageBroken(f"{self._what(found.path)}: {found.size} of {size} bytes came through. Try again.")
        return found

    def _exists(self, path: str) -> StorageExists:
        return StorageExists(f"{self._what(path)}: there is one already. Name another, or have it replaced.")

    def _what(self, path: str) -> str:
        return f"gdrive://{self._root}/{path}".rstrip("/")


def _stat(path: str, found: dict[str, Any]) -> Stat:
    modified = found.get("modifiedTime")
    return Stat(
        path=path,
        size=int(found["size"]) if "size" in found else None,
        etag=found.get("headRevisionId"),
        modified=None if modified is None else datetime.fromisoformat(modified),
        content_type=found.get("mimeType"),
        md5=found.get("md5Checksum"),
    )
