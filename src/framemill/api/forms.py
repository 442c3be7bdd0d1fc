"""Forms (multipart/form-data) as they come: fields are kept as words, files go to the disk, and nothing is held whole.

Starlette's own parser does nearly that, but into temporary files of the system's folder, unhashed and without a limit
on their sizes. Here each file is a `Draft`, in the folder and within the bounds that the caller says.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from framemill.api.bytes.bodies import in_thread
from framemill.errors import TooLarge, WrongUse
from framemill.storage.receiving import Bounds, Draft, Received

MOST_PARTS = 1000
MOST_FIELD_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20


class FormTooLarge(TooLarge):
    """Too many parts, or too long a field: whatever may be sent as a file."""


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form, on the disk."""

    field: str
    filename: str
    """As its sender calls it: only a name to show."""
    content_type: str | None
    received: Received


@dataclass(frozen=True, slots=True)
class Form:
    """What a form held."""

    fields: tuple[tuple[str, str], ...]
    """In their order; a name may come more than once."""
    files: tuple[FormFile, ...]

    def discarded(self) -> None:
        """Throw its files away. Blocks."""
        for file in self.files:
            file.received.path.unlink(missing_ok=True)


async def keep_form(
    request: Request,
    place: Callable[[], Path],
    bounds: Bounds,
    hashes: Collection[str] = ("sha256",),
    files: Collection[str] = (),
) -> Form:
    """Read the form; each file goes to a path that `place` gives, is within `bounds`, and is hashed on its way.

    `files`: fields that are files even where they come without a filename. A form that is broken or cut off leaves
    nothing behind. Raises `WrongUse` for what is no form, `TooLarge`, `DiskFull`, `ClientDisconnect`.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise WrongUse("Send a form: Content-Type: multipart/form-data, with its boundary.")
    reading = _Reading(place, bounds, hashes, files)
    parser = MultipartParser(options[b"boundary"], reading.callbacks())  # type: ignore[arg-type]
    try:
        blocks: list[bytes] = []
        async for block in request.stream():
            blocks.append(block)
            if sum(map(len, blocks)) >= _BLOCK_BYTES:
                body, blocks = b"".join(blocks), []
                await in_thread(lambda body=body: _fed(parser, body))  # type: ignore[misc]
        await in_thread(lambda: _fed(parser, b"".join(blocks)))
        if not reading.ended:
            raise WrongUse("The form breaks off in its middle: send it again.")
    except BaseException:
        await asyncio.shield(asyncio.to_thread(reading.given_up))
        raise
    return Form(tuple(reading.fields), tuple(reading.files))


def _fed(parser: MultipartParser, body: bytes) -> None:
    try:
        parser.write(body)
    except MultipartParseError as error:
        raise WrongUse(f"The form is broken: {error}.") from None


@dataclass(slots=True)
class _Reading:
    """A form on its way; called from one thread at a time."""

    place: Callable[[], Path]
    bounds: Bounds
    hashes: Collection[str]
    always: Collection[str]
    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[FormFile] = field(default_factory=list)
    ended: bool = False
    _parts: int = 0
    _header: bytes = b""
    _value: bytes = b""
    _headers: dict[str, bytes] = field(default_factory=dict)
    _told: dict[bytes, bytes] = field(default_factory=dict)
    _draft: Draft | None = None
    _word: bytearray = field(default_factory=bytearray)

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """For the parser."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name_of_header,
            "on_header_value": self._value_of_header,
            "on_header_end": self._header_ended,
            "on_headers_finished": self._headers_ended,
            "on_part_data": self._data,
            "on_part_end": self._part_ended,
            "on_end": self._end,
        }

    def given_up(self) -> None:
        """Nothing stays of it."""
        if self._draft is not None:
            self._draft.dropped()
            self._draft = None
        for file in self.files:
            file.received.path.unlink(missing_ok=True)

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise FormTooLarge(f"The form has more than {MOST_PARTS} parts.")
        self._headers, self._word = {}, bytearray()

    def _name_of_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]  # the parser itself limits how long it gets

    def _value_of_header(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ended(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value
        self._header = self._value = b""

    def _headers_ended(self) -> None:
        kind, self._told = parse_options_header(self._headers.get("content-disposition", b""))
        if kind != b"form-data" or b"name" not in self._told:
            raise WrongUse("A part of the form has no name: Content-Disposition: form-data; name=…")
        if b"filename" in self._told or _word(self._told[b"name"]) in self.always:
            self._draft = Draft(self.place(), self.bounds, self.hashes)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._draft is not None:
            self._draft.write([data[start:end]])
            return
        self._word += data[start:end]
        if len(self._word) > MOST_FIELD_BYTES:
            raise FormTooLarge(f"A field of the form holds {MOST_FIELD_BYTES} bytes at most; send more as a file.")

    def _part_ended(self) -> None:
        name = _word(self._told[b"name"])
        if self._draft is None:
            self.fields.append((name, self._word.decode("utf-8", "replace")))
            return
        draft, self._draft = self._draft, None
        filename = _word(self._told.get(b"filename", b""))
        kind = self._headers.get("content-type", b"").decode("latin-1") or None
        self.files.append(FormFile(name, filename, kind, draft.finished()))

    def _end(self) -> None:
        self.ended = True


def _word(said: bytes) -> str:
    """A name as its sender means it: browsers escape what would end it, and nothing else (HTML, 4.10.22.7)."""
    for escaped, meant in ((b"%22", b'"'), (b"%0A", b"\n"), (b"%0D", b"\r")):
        said = said.replace(escaped, meant)
    return said.decode("utf-8", "replace")


def numbered(folder: Path, stem: str = "form") -> Callable[[], Path]:
    """A place for each file of a form, in that folder."""
    numbers: Iterator[int] = iter(range(MOST_PARTS + 1))
    return lambda: folder / f"{stem}-{next(numbers)}"
