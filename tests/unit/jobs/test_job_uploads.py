"""The states of an upload, and the arithmetic of its parts."""

from datetime import UTC, datetime

import pytest

from framemill.errors import InvalidTransition
from framemill.jobs.states import advance, diagram
from framemill.jobs.uploads import (
    LEAST_PART_BYTES,
    MOST_PARTS,
    UPLOAD_TRANSITIONS,
    AbortAsked,
    AllReceived,
    Part,
    TimeOver,
    UploadState,
    missing_parts,
    part_bytes_for,
    part_sizes,
)

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


def test_every_state_has_its_row_and_can_be_reached() -> None:
    assert set(UPLOAD_TRANSITIONS) == set(UploadState)
    reached = {state for edges in UPLOAD_TRANSITIONS.values() for state in edges.values()}
    assert reached | {next(iter(UPLOAD_TRANSITIONS))} == set(UploadState)
    assert diagram(UPLOAD_TRANSITIONS).startswith("stateDiagram-v2\n    [*] --> open\n")


@pytest.mark.parametrize("state", [UploadState.ABORTED, UploadState.EXPIRED])
@pytest.mark.parametrize("event", [AllReceived(), AbortAsked(), TimeOver()])
def test_what_is_gone_stays_gone(state: UploadState, event: AllReceived | AbortAsked | TimeOver) -> None:
    with pytest.raises(InvalidTransition):
        advance(UPLOAD_TRANSITIONS, state, event)


def test_a_body_comes_once() -> None:
    with pytest.raises(InvalidTransition):
        advance(UPLOAD_TRANSITIONS, UploadState.COMPLETED, AllReceived())


@pytest.mark.parametrize("size", [0, 1, LEAST_PART_BYTES, 10**9, 10**12, (10**12) + 1])
def test_parts_are_whole_and_few_enough(size: int) -> None:
    each = part_bytes_for(size)
    sizes = part_sizes(size, each)

    assert each >= LEAST_PART_BYTES
    assert each % (1 << 20) == 0
    assert sum(sizes) == size
    assert 1 <= len(sizes) <= MOST_PARTS
    assert set(sizes[:-1]) <= {each}


def test_which_parts_are_missing() -> None:
    def parts(*numbers: int) -> dict[int, Part]:
        return {n: Part(upload_id="u", number=n, size=1, etag="e", received_at=NOON) for n in numbers}

    assert missing_parts(parts(1, 2, 3), None, None) == ()
    assert missing_parts(parts(2, 4), None, None) == (1, 3)
    assert missing_parts(parts(1), 25, 10) == (2, 3)
    assert missing_parts(parts(), None, None) == ()
