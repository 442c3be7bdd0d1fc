"""Fetches a file from a farm: gone on with where it was cut, also by an earlier process, and checked at its end."""

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeAlias

import httpx

from framemill.api.native.exchange_schemas import LinkedOutput
from framemill.client.asking import Line, Pauses, error_of, silence
from framemill.errors import FarmError, OutputError

Progress: TypeAlias = Callable[[int, int | None], None]
"""Hears bytes so far, and in all where that is known."""

_BLOCK = 1 << 20
_PIECE = 32 << 20
"""What is asked for at a time where the farm sends no whole file."""


def is_folder(output: LinkedOutput) -> bool:
    """Whether an output becomes a folder here: a package, and whatever else is several files."""
    packed = output.settings.get("archive")
    return len(output.files) > 1 or (output.settings.get("container") == "package" and not packed)


class Fetching:
    """One file on its way."""

    def __init__(self, line: Line, url: str, path: Path, progress: Progress | None, sha256: str | None = None) -> None:
        self._line = line
        self._url = url
        self._path = path
        self._progress = progress
        self._pieces = False
        """The farm sends only so much at a time."""
        self._etag: str | None = None
        self._size: int | None = None
        self._sha256 = sha256
        self._restart()

    def run(self) -> str:
        """Fetch it to its path; its SHA-256. Raises `OutputError` where it cannot be written or is spoilt."""
        self._look()
        name = hashlib.sha256((self._etag or self._url).encode()).hexdigest()[:12]
        part = self._path.with_name(f".{self._path.name}.{name}.part")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("a+b") as file:
                self._know(file)
                self._fetch(file)
                file.flush()
                os.fsync(file.fileno())
            found = self._digest.hexdigest()
            if self._sha256 is not None and found != self._sha256:
                part.unlink(missing_ok=True)
                raise OutputError(f"{self._path.name} did not arrive as it was sent: fetch it again.")
            os.replace(part, self._path)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {error.strerror}. Choose another place.") from None
        return found

    def _look(self) -> None:
        """Ask for its ETag, its size and its SHA-256."""
        pauses = Pauses()
        while True:
            try:
                answer = self._line.links.head(self._url, headers=_PLAIN)
            except httpx.TransportError as error:
                self._wait(pauses, FarmError(silence(self._line.url, error)))
                continue
            if answer.is_success:
                break
            self._refused(answer, pauses)
        self._etag = _strong(answer)
        self._size = int(answer.headers["content-length"]) if "content-length" in answer.headers else None
        self._sha256 = _digest_in(answer) or self._sha256

    def _know(self, file: IO[bytes]) -> None:
        """Go on behind what an earlier try has left, where it can be told that it is of the same file."""
        self._restart()
        file.seek(0)
        while self._etag is not None and (block := file.read(_BLOCK)):
            self._digest.update(block)
            self._done += len(block)
        if self._etag is None or (self._size is not None and self._done > self._size):
            self._begin_anew(file)

    def _fetch(self, file: IO[bytes]) -> None:
        pauses = Pauses()
        while self._size is None or self._done < self._size:
            before = self._done
            try:
                self._get(file, pauses)
            except httpx.TransportError as error:
                if self._etag is None:  # nobody could tell whether it goes on with the same
                    self._begin_anew(file)
                if self._done > before:
                    pauses.went_on()
                else:
                    self._wait(pauses, FarmError(silence(self._line.url, error)))

    def _get(self, file: IO[bytes], pauses: Pauses) -> None:
        """One request, and what comes of it."""
        with self._line.links.stream("GET", self._url, headers=self._wanted()) as answer:
            if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and not self._pieces:
                self._pieces = True
                return
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._begin_anew(file)
                self._wait(pauses, FarmError(f"{self._url} has become another file: fetch it again."))
                return
            if not answer.is_success:
                answer.read()
                self._refused(answer, pauses)
                return
            if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                self._begin_anew(file)  # it is another one by now, or ranges are not known there
                self._size = int(answer.headers["content-length"]) if "content-length" in answer.headers else None
                self._sha256, self._etag = _digest_in(answer) or self._sha256, _strong(answer)
            for block in answer.iter_raw(_BLOCK):
                file.write(block)
                self._digest.update(block)
                self._done += len(block)
                if self._progress is not None:
                    self._progress(self._done, self._size)
            if self._size is None:
                self._size = self._done  # it has ended as it should

    def _wanted(self) -> dict[str, str]:
        last = str(self._done + _PIECE - 1) if self._pieces else ""
        if not self._done and not last:
            return _PLAIN
        if_range = {} if self._etag is None else {"If-Range": self._etag}
        return {**_PLAIN, "Range": f"bytes={self._done}-{last}", **if_range}

    def _refused(self, answer: httpx.Response, pauses: Pauses) -> None:
        """Wait where it may pass. Raises what the farm refuses."""
        refused = error_of(self._line.url, answer)
        if not answer.is_server_error:
            raise refused
        self._wait(pauses, refused)

    def _begin_anew(self, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        self._restart()

    def _restart(self) -> None:
        self._done = 0
        self._digest = hashlib.sha256()

    def _wait(self, pauses: Pauses, trouble: Exception) -> None:
        pause = pauses.next()
        if pause is None:
            raise trouble
        self._line.sleep(pause)


def _strong(answer: httpx.Response) -> str | None:
    """Its ETag, where equal ones mean equal bytes."""
    etag: str | None = answer.headers.get("etag")
    return None if etag is None or etag.startswith("W/") else etag


_PLAIN = {"Accept-Encoding": "identity"}


def _digest_in(answer: httpx.Response) -> str | None:
    """The SHA-256 that the farm tells (RFC 9530)."""
    for told in answer.headers.get("repr-digest", "").split(","):
        name, _, value = told.strip().partition("=")
        if name == "sha-256":
            return base64.b64decode(value.strip(":")).hex()
    return None
