"""A blob is trusted when its bytes are those that were written down beside it, and no others."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from framemill.farm.intact import (
    ExtraFacts,
    chunk_blob,
    extra_facts_blob,
    facts_blob,
    intact_chunk,
    intact_extra,
    keep_extra,
    note_use,
)
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import Complaints
from framemill.storage.local import LocalBlobs

KEY = "k"
SOUND = "sounds/s"
DATA = b"these are the bytes of a chunk"
LONG_AGO = 1_000_000_000


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """With a chunk and a sound, both as they were written."""
    found = LocalBlobs(tmp_path)
    draft = found.draft(SOUND)
    draft.write_bytes(DATA)
    keep_extra(found, draft, SOUND)
    known = intact_extra(found, SOUND)
    assert known is not None
    facts = ChunkFacts(frames=10, size=known.size, sha256=known.sha256, parameter_sets="p", reorder=2)
    found.write(facts_blob(KEY), facts.model_dump_json().encode())
    found.write(chunk_blob(KEY), DATA)
    return found


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


def scribble(path: Path) -> None:
    path.write_text("{")


def misname(path: Path) -> None:
    """As a later release may write it."""
    path.write_text('{"other": 1}')


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_what_was_written_is_known(blobs: LocalBlobs) -> None:
    facts = intact_chunk(blobs, KEY)
    assert facts is not None
    assert (facts.frames, facts.size, facts.reorder) == (10, len(DATA), 2)
    assert intact_extra(blobs, SOUND) == ExtraFacts(size=len(DATA), sha256=facts.sha256)


@pytest.mark.parametrize("harm", [flip, shorten, lengthen, Path.unlink, put_folder])
def test_other_bytes_are_seen(blobs: LocalBlobs, harm: Callable[[Path], None]) -> None:
    harm(blobs.path(chunk_blob(KEY)))
    harm(blobs.path(SOUND))

    assert intact_chunk(blobs, KEY) is None
    assert intact_extra(blobs, SOUND) is None


@pytest.mark.parametrize("harm", [scribble, misname, shorten, Path.unlink, put_folder])
def test_without_its_facts_nothing_is_trusted(blobs: LocalBlobs, harm: Callable[[Path], None]) -> None:
    harm(blobs.path(facts_blob(KEY)))
    harm(blobs.path(extra_facts_blob(SOUND)))

    assert intact_chunk(blobs, KEY) is None
    assert intact_extra(blobs, SOUND) is None


def test_what_the_decoder_said_is_kept_with_it(blobs: LocalBlobs) -> None:
    said = Complaints(refused=3, lines=("why",))
    draft = blobs.draft(SOUND)
    draft.write_bytes(b"part of it")
    keep_extra(blobs, draft, SOUND, said)

    facts = intact_extra(blobs, SOUND)
    assert facts is not None
    assert facts.complaints == said


def test_what_is_found_counts_as_used(blobs: LocalBlobs) -> None:
    paths = [blobs.path(key) for key in (SOUND, extra_facts_blob(SOUND), chunk_blob(KEY), facts_blob(KEY))]
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))
    intact_extra(blobs, SOUND)
    assert [path.stat().st_mtime > LONG_AGO for path in paths] == [True, True, False, False]

    note_use(blobs, chunk_blob(KEY), facts_blob(KEY), "chunks/no such thing")
    assert all(path.stat().st_mtime > LONG_AGO for path in paths)
    assert not blobs.has("chunks/no such thing")
