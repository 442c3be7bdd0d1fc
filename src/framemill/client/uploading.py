"""Sends a file to a farm: in parts, some at once, each tried again, and gone on with where an earlier try stopped."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import httpx

from framemill.api.native.exchange_schemas import Upload, UploadPart
from framemill.client.asking import Line, Pauses, error_of, silence
from framemill.errors import Conflict, FarmError, SourceMissing, SourceRefused, WrongUse

Progress: TypeAlias = Callable[[int, int], None]
"""Hears bytes so far, and in all. Called from several threads, one at a time."""

AT_ONCE = 3
"""Parts on their way."""
_BLOCK = 1 << 20


class _Cancelled(Exception):
    """Another part has failed for good."""


class _Digest:
    """Of a part's bytes: the farm says its SHA-256, and a bucket its MD5."""

    def __init__(self) -> None:
        self._hashes = (hashlib.sha256(), hashlib.md5(usedforsecurity=False))

    def update(self, block: bytes) -> None:
        """More of it."""
        for one in self._hashes:
            one.update(block)

    def is_told_by(self, etag: str) -> bool:
        """Whether that is the ETag of these bytes."""
        return etag in {one.hexdigest() for one in self._hashes}


class Sending:
    """One file on its way."""

    def __init__(self, line: Line, path: Path, progress: Progress | None, at_once: int) -> None:
        self._line = line
        self._path = path
        self._progress = progress
        self._at_once = at_once
        self._sent = 0
        self._size = _size_of(path)
        self._counting = threading.Lock()
        self._stopped = threading.Event()

    def run(self, upload_id: str | None, content_type: str | None, on_begun: Callable[[str], None] | None) -> Upload:
        """Send what the farm has not got yet, and have it put together."""
        upload = self._begun(content_type) if upload_id is None else self._found(upload_id)
        if on_begun is not None:
            on_begun(upload.id)
        if upload.state == "completed":
            self._count(self._size)
            return upload
        parts = {part.number: part for part in upload.parts}
        offsets = dict(
            zip(sorted(parts), _offsets([parts[number].size_bytes or 0 for number in sorted(parts)]), strict=True)
        )
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="upload") as pool:
            sending = [pool.submit(self._part, parts[number], offsets[number]) for number in sorted(parts)]
            try:
                done, _ = wait(sending, return_when=FIRST_EXCEPTION)
                failed = next((one.exception() for one in done if one.exception() is not None), None)
                if failed is not None:
                    raise failed
            finally:
                self._stopped.set()
                for one in sending:
                    one.cancel()
        tags = [one.result() for one in sending]
        given = [{"number": number, "etag": etag} for number, etag in zip(sorted(parts), tags, strict=True)]
        path = f"/uploads/{quote(upload.id, safe='')}/complete"
        return self._line.told(Upload, "POST", path, {"parts": given}, once=True)

    def _begun(self, content_type: str | None) -> Upload:
        asked = {"filename": self._path.name, "size": self._size, "content_type": content_type, "multipart": True}
        return self._line.told(Upload, "POST", "/uploads", asked, once=True)

    def _found(self, upload_id: str) -> Upload:
        upload = self._line.told(Upload, "GET", f"/uploads/{quote(upload_id, safe='')}")
        if upload.state not in {"open", "completed"}:
            raise Conflict(f"The upload {upload_id} is {upload.state}: begin another one.")
        if upload.size_bytes != self._size or (upload.state == "open" and upload.protocol != "multipart"):
            raise WrongUse(f"{self._path} is not the file that the upload {upload_id} was begun with.")
        return upload

    def _part(self, part: UploadPart, offset: int) -> str:
        """Send it, unless it is there as it is here; its ETag."""
        size = part.size_bytes or 0
        if part.etag is not None:
            digest = _Digest()
            for block in _blocks(self._path, offset, size):
                digest.update(block)
            if digest.is_told_by(part.etag):
                self._count(size)
                return part.etag
        pauses = Pauses()
        while True:
            if self._stopped.is_set():
                raise _Cancelled
            etag, trouble = self._tried(part.url, offset, size)
            if etag is not None:
                return etag
            pause = pauses.next()
            if pause is None:
                raise trouble
            self._line.sleep(pause)

    def _tried(self, url: str, offset: int, size: int) -> tuple[str | None, Exception]:
        """The ETag of what has arrived; or none, and why. Raises what the farm refuses for good."""
        digest = _Digest()
        counted = 0

        def blocks() -> Iterator[bytes]:
            nonlocal counted
            for block in _blocks(self._path, offset, size):
                if self._stopped.is_set():
                    raise _Cancelled
                digest.update(block)
                yield block
                counted += len(block)
                self._count(len(block))

        trouble: Exception
        try:
            answer = self._line.links.put(url, content=blocks(), headers={"Content-Length": str(size)})
        except httpx.TransportError as error:
            trouble = FarmError(silence(self._line.url, error))
        else:
            etag = answer.headers.get("etag", "").strip('"')
            if answer.is_success and digest.is_told_by(etag):
                return etag, FarmError("")
            if answer.is_client_error:
                raise error_of(self._line.url, answer)
            trouble = error_of(self._line.url, answer)
            if answer.is_success:
                trouble = FarmError(f"{self._path} has changed on its way, or while it was read: send it again.")
        self._count(-counted)
        return None, trouble

    def _count(self, size: int) -> None:
        with self._counting:
            self._sent += size
            if self._progress is not None:
                self._progress(self._sent, self._size)


def _offsets(sizes: list[int]) -> list[int]:
    found, at = [], 0
    for size in sizes:
        found.append(at)
        at += size
    return found


def _blocks(path: Path, offset: int, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while size > 0 and (block := file.read(min(_BLOCK, size))):
            size -= len(block)
            yield block


def _size_of(path: Path) -> int:
    try:
        if not path.is_file():
            raise SourceMissing(f"There is no file {path}. Check the path.")
        return path.stat().st_size
    except OSError as error:
        raise SourceRefused(f"{path} cannot be read: {error.strerror}. Change its mode or owner.") from None
