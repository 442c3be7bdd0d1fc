"""What is small and would become large is refused with its reason, before it costs anything."""

import asyncio
import contextlib
import resource
import struct
import subprocess
import time
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from framemill.errors import SourceTooLarge, SourceUnreadable
from framemill.jobs.settings.shape import Overlay
from framemill.media import ffmpeg
from framemill.media.bombs import MOST_FACTS, MOST_STREAMS, refuse_bomb
from framemill.media.laid import read_file, read_stamp
from framemill.media.process import metered
from framemill.media.source import index_source, read_source
from framemill.secrets import mask


def png(path: Path, width: int, height: int, *chunks: bytes) -> Path:
    """A PNG that says so, with next to nothing in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(1 << 16)))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(b"zTXt", text) for text in chunks) + rows + chunk(b"IEND", b"")
    )
    return path


SIZES = ((60_000, 60_000), (16_000, 16_000), (2_000_000_000, 1), (1, 2_000_000_000))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_picture_of_60000_by_60000_is_no_source(width: int, height: int, tmp_path: Path) -> None:
    """Seventy kilobytes that want fourteen gigabytes of memory."""
    path = png(tmp_path / "a.png", width, height)

    with metered() as meter, pytest.raises((SourceTooLarge, SourceUnreadable)):
        asyncio.run(indexed(path))

    # A child is said to have taken what its parent had when it began (getrusage(2)): these tests, after many others.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    assert meter.usage.peak_bytes < max(1 << 30, own + (256 << 20))


async def indexed(path: Path) -> None:
    await index_source(await read_source(str(path)), decode=False, linear=False)


@pytest.mark.parametrize("side", [16_000, 60_000])
def test_nor_can_it_be_laid_over(side: int, tmp_path: Path) -> None:
    """The same as a watermark."""
    path = png(tmp_path / "a.png", side, side)

    with pytest.raises(SourceUnreadable):
        asyncio.run(read_stamp(str(path), Overlay(uri=str(path)), tmp_path / "stamp.png"))


def test_a_picture_with_texts_that_unpack_to_a_gigabyte(tmp_path: Path) -> None:
    """Sixteen compressed texts of 64 MB each: they take time and memory only as far as one child has it."""
    packed = zlib.compress(bytes(64 << 20), 9)
    path = png(tmp_path / "a.png", 16, 16, *[b"t%d\0\0" % number + packed for number in range(16)])

    with metered() as meter, contextlib.suppress(SourceTooLarge, SourceUnreadable):
        asyncio.run(indexed(path))

    assert meter.usage.peak_bytes < 2 << 30


def test_a_video_of_absurd_size_is_refused_by_its_header(tmp_path: Path) -> None:
    """A header of a raw film that says 15000x15000."""
    path = tmp_path / "a.y4m"
    path.write_bytes(b"YUV4MPEG2 W15000 H15000 F25:1 Ip A1:1 C420\nFRAME\n" + bytes(1 << 16))

    with pytest.raises((SourceTooLarge, SourceUnreadable)):
        asyncio.run(read_source(str(path)))


def test_thousands_of_chapters_are_kept_and_a_million_are_not(tmp_path: Path) -> None:
    """Chapters are kept with the job and shown on its page."""
    few, many = tmp_path / "few.mkv", tmp_path / "many.mkv"
    for path, count in ((few, 1000), (many, 40_000)):
        notes = tmp_path / "notes.txt"
        told = (f"[CHAPTER]\nTIMEBASE=1/1000000\nSTART={n}\nEND={n + 1}\ntitle={'x' * 60}\n" for n in range(count))
        notes.write_text(";FFMETADATA1\n" + "".join(told))
        film = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=25:duration=0.2", "-i", str(notes))
        written = ("-map", "0:v", "-map_chapters", "1", "-c:v", "mpeg4", str(path))
        subprocess.run([ffmpeg.binary(), "-v", "error", *film, *written], check=True)

    assert len(asyncio.run(read_source(str(few))).inspection.facts["chapters"]) == 1000
    with pytest.raises(SourceTooLarge, match="chapters and tags"):
        asyncio.run(read_source(str(many)))


def test_more_streams_than_anything_has() -> None:
    streams = [{"width": 16, "height": 16}] * (MOST_STREAMS + 1)
    facts: dict[str, Any] = {"chapters": [], "format": {}}

    with pytest.raises(SourceTooLarge, match="streams"):
        refuse_bomb({**facts, "streams": streams}, "a.ts")
    refuse_bomb({**facts, "streams": streams[1:]}, "a.ts")


def test_a_tag_of_megabytes() -> None:
    facts = {"streams": [], "chapters": [], "format": {"tags": {"comment": "x" * MOST_FACTS}}}

    with pytest.raises(SourceTooLarge, match="tags"):
        refuse_bomb(facts, "a.mp4")


def test_subtitles_of_megabytes_are_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(b"1\n00:00:00,000 --> 00:00:01,000\n" + b"x" * (17 << 20))

    with pytest.raises(SourceTooLarge):
        asyncio.run(read_file(str(path), "a.srt", Fraction(0), tmp_path / "a.mks"))


#: Texts that bad patterns take minutes for; the longest that a log line or an error may hold.
SLOW = {
    "one long word": "a" * 100_000,
    "words named like secrets": "token" * 20_000,
    "equal signs": "=" * 100_000,
    "ampersands": "https://h/?" + "&" * 100_000,
    "parameters without end": "https://h/?" + "key" * 30_000,
    "schemes": "http://" * 15_000,
    "at signs": "http://" + "a@" * 50_000,
    "colons": "http://" + "a:" * 50_000,
    "quotes": "password=" + '"' * 100_000,
    "open quotes": 'password="' * 10_000,
    "backslashes": 'password="' + "\\" * 100_000,
    "percent signs": "%3A%2F%2F" * 10_000,
    "escaped users": "%3A%2F%2F" + "a" * 100_000,
    "options": "--token " * 12_000,
    "dashes": "-" * 100_000,
    "private keys": "-----BEGIN RSA PRIVATE KEY-----" * 3_000,
    "web tokens": "eyJaaaaaa." * 10_000,
    "blanks": "password" + " " * 100_000,
    "headers": "authorization: " * 7_000,
}


@pytest.mark.parametrize("case", SLOW)
def test_masking_takes_no_longer_for_evil_texts(case: str) -> None:
    """A client calls its job so, and every line of the log that tells of it is looked through."""
    began = time.process_time()

    mask(SLOW[case])

    assert time.process_time() - began < 3.0
