"""Blobs in a folder."""

from pathlib import Path

import pytest

from framemill.storage.local import LocalBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def test_a_blob_is_written_and_read(blobs: LocalBlobs) -> None:
    assert not blobs.has("chunks/a.mp4")
    blobs.write("chunks/a.mp4", b"chunk")
    assert blobs.has("chunks/a.mp4")
    assert blobs.read("chunks/a.mp4") == b"chunk"
    assert blobs.path("chunks/a.mp4").read_bytes() == b"chunk"


def test_a_draft_is_no_blob_until_it_is_kept(blobs: LocalBlobs) -> None:
    draft = blobs.draft("chunks/a.mp4")
    draft.write_bytes(b"half")
    assert not blobs.has("chunks/a.mp4")
    draft.write_bytes(b"whole")
    blobs.keep(draft, "chunks/a.mp4")
    assert blobs.read("chunks/a.mp4") == b"whole"
    assert not draft.exists()


def test_two_drafts_of_one_blob_do_not_meet(blobs: LocalBlobs) -> None:
    """A chunk is encoded twice when a worker was only slow; both bring the same bytes."""
    one, other = blobs.draft("a.mp4"), blobs.draft("a.mp4")
    assert one != other
    one.write_bytes(b"same")
    other.write_bytes(b"same")
    blobs.keep(one, "a.mp4")
    blobs.keep(other, "a.mp4")
    assert blobs.read("a.mp4") == b"same"


def test_a_draft_has_the_suffix_of_its_blob(blobs: LocalBlobs) -> None:
    """ffmpeg and people look at it; and it lies beside the blob, where a rename is one step."""
    draft = blobs.draft("chunks/a.mp4")
    assert draft.suffix == ".mp4"
    assert draft.parent == blobs.path("chunks/a.mp4").parent


def test_a_folder_is_no_blob(blobs: LocalBlobs) -> None:
    blobs.write("chunks/a.mp4", b"")
    assert not blobs.has("chunks")


def test_what_is_not_there_is_not_read(blobs: LocalBlobs) -> None:
    with pytest.raises(FileNotFoundError):
        blobs.read("chunks/a.mp4")
    with pytest.raises(FileNotFoundError):
        blobs.keep(blobs.draft("chunks/a.mp4"), "chunks/a.mp4")


def test_cleared_blobs_are_gone_and_come_again(blobs: LocalBlobs) -> None:
    blobs.write("chunks/a.mp4", b"chunk")
    blobs.clear()
    blobs.clear()
    assert not blobs.has("chunks/a.mp4")
    blobs.write("chunks/a.mp4", b"chunk")
    assert blobs.has("chunks/a.mp4")
