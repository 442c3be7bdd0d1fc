"""Forms as they come: files go to the disk, fields are words, and what is broken leaves nothing behind."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from framemill.api.forms import MOST_FIELD_BYTES, MOST_PARTS, Form, keep_form, numbered
from framemill.errors import FramemillError, TooLarge, WrongUse
from framemill.storage.receiving import Bounds

BOUNDARY = b"the-boundary"
TYPE = b"multipart/form-data; boundary=" + BOUNDARY


def part(name: str, body: bytes, filename: str | None = None, kind: str = "") -> bytes:
    told = f'Content-Disposition: form-data; name="{name}"'
    told += f'; filename="{filename}"' if filename is not None else ""
    told += f"\r\nContent-Type: {kind}" if kind else ""
    return b"--" + BOUNDARY + b"\r\n" + told.encode() + b"\r\n\r\n" + body + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"


def read(
    folder: Path,
    blocks: Iterable[bytes],
    *,
    kind: bytes = TYPE,
    cut: bool = False,
    bounds: Bounds | None = None,
    files: Collection[str] = (),
) -> Form:
    coming = iter(blocks)

    async def receive() -> Message:
        block = next(coming, None)
        if block is None and cut:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": block or b"", "more_body": block is not None}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}, receive)
    return asyncio.run(keep_form(request, numbered(folder), bounds or Bounds(), files=files))


def test_fields_and_files(tmp_path: Path) -> None:
    body = part("a", "Käse".encode()) + part("f", b"12\r\n--34", "x.mov", "video/quicktime") + part("a", b"") + END

    form = read(tmp_path, [body])

    assert form.fields == (("a", "Käse"), ("a", ""))
    (file,) = form.files
    assert (file.field, file.filename, file.content_type) == ("f", "x.mov", "video/quicktime")
    assert file.received.path.read_bytes() == b"12\r\n--34"
    assert file.received.digests["sha256"] == hashlib.sha256(b"12\r\n--34").hexdigest()
    form.discarded()
    assert list(tmp_path.iterdir()) == []


def test_names_are_read_as_browsers_escape_them_and_a_field_can_always_be_a_file(tmp_path: Path) -> None:
    body = part("a", b"1") + part("f", b"12") + part("g%22", b"3", "x%22%0D%0A%20.mov") + END

    form = read(tmp_path, [body], files={"f"})

    assert form.fields == (("a", "1"),)
    assert [(file.field, file.filename) for file in form.files] == [("f", ""), ('g"', 'x"\r\n%20.mov')]
    assert form.files[0].received.path.read_bytes() == b"12"


def test_it_may_come_byte_by_byte(tmp_path: Path) -> None:
    body = part("a", b"1") + part("f", b"\r\n" * 5, "x") + END

    form = read(tmp_path, [body[at : at + 1] for at in range(len(body))])

    assert form.fields == (("a", "1"),)
    assert form.files[0].received.path.read_bytes() == b"\r\n" * 5


def test_a_large_file_is_never_held_as_a_whole(tmp_path: Path) -> None:
    block = bytes(64 << 10)

    def body() -> Iterator[bytes]:
        yield part("f", b"", "big.mov").removesuffix(b"\r\n")
        for _ in range(1024):
            yield block
        yield b"\r\n" + END

    tracemalloc.start()
    try:
        form = read(tmp_path, body())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert form.files[0].received.size == 64 << 20
    assert peak < 16 << 20


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"", WrongUse),
        (part("a", b"1"), WrongUse),  # no end
        (part("f", b"1", "x")[:-4], WrongUse),
        (b"no form at all", WrongUse),
        (b"--" + BOUNDARY + b"\r\n\r\n1\r\n" + END, WrongUse),
        (part("f", b"1", "x") + b"--" + BOUNDARY + b"\r\nContent-Disposition: x\r\n\r\n1\r\n" + END, WrongUse),
        (b"--" + BOUNDARY + b"\r\nX: " + b"x" * 10_000, WrongUse),
        (part("f", b"1", "x") + part("a", b"x" * (MOST_FIELD_BYTES + 1)) + END, TooLarge),
        (part("f", b"1", "x") + part("f", b"x" * 101, "y") + END, TooLarge),
        (part("a", b"") * (MOST_PARTS + 1) + END, TooLarge),
    ],
)
def test_what_is_wrong_leaves_nothing_behind(tmp_path: Path, body: bytes, wrong: type[FramemillError]) -> None:
    with pytest.raises(wrong):
        read(tmp_path, [body], bounds=Bounds(most_bytes=100))

    assert list(tmp_path.iterdir()) == []


def test_what_is_cut_leaves_nothing_behind(tmp_path: Path) -> None:
    body = part("e", b"1", "whole") + part("f", b"x" * (3 << 20), "x")[:-1000]

    with pytest.raises(ClientDisconnect):
        read(tmp_path, [body], cut=True)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [b"", b"application/json", b"multipart/form-data", b"multipart/mixed; boundary=x"])
def test_what_is_no_form(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(WrongUse):
        read(tmp_path, [END], kind=kind)
