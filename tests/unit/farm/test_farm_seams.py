"""Two neighbouring decodes must have seen the same frames at their seam."""

import pytest

from framemill.farm.encoding import torn_seam
from framemill.media.chunkfile import ChunkFacts

STARTS = [0, 10, 20]


def seen(*hashes: dict[int, str]) -> list[ChunkFacts]:
    return [
        ChunkFacts(frames=10, size=1, sha256="", parameter_sets="", reorder=0, seam_hashes=frames) for frames in hashes
    ]


@pytest.mark.parametrize(
    ("facts", "torn"),
    [
        (seen({10: "a", 11: "b"}, {10: "a", 11: "b", 20: "c", 21: "d"}, {20: "c", 21: "d"}), None),
        (seen({10: "a", 11: "b"}, {10: "a", 11: "x", 20: "c", 21: "d"}, {20: "c", 21: "d"}), 11),
        (seen({10: "a", 11: "b"}, {10: "x", 11: "x"}, {}), 10),
        (seen({10: "a"}, {10: "a", 20: "c"}, {20: "x"}), 20),
        # One decode for both, or an index that knew the hashes before: nobody looked twice.
        (seen({}, {10: "a", 11: "b"}, {}), None),
        (seen({10: "a"}, {11: "b"}, {}), None),
        # What was seen elsewhere says nothing of this seam.
        (seen({12: "a"}, {12: "b"}, {}), None),
        # Chunks of one frame: the second watched frame belongs to the chunk behind the next.
        (seen({}, {}, {}), None),
    ],
)
def test_a_seam_is_torn_where_two_hashes_of_a_frame_differ(facts: list[ChunkFacts], torn: int | None) -> None:
    assert torn_seam(facts, STARTS) == torn


def test_one_chunk_has_no_seam() -> None:
    assert torn_seam(seen({0: "a"}), [0]) is None


def test_every_chunk_has_a_start() -> None:
    with pytest.raises(ValueError, match="zip"):
        torn_seam(seen({}, {}, {}), [0, 10])
