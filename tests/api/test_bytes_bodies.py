"""A body on its way to the disk, cut off at each of its moments."""

import asyncio
from pathlib import Path

import pytest
from starlette.requests import Request

from framemill.api.bytes.bodies import keep_body
from framemill.storage.receiving import Bounds, Draft


async def never() -> dict[str, object]:
    """A client that says no more."""
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(("at", "left"), [(None, None), (0, b""), (4, b"some")])
def test_who_hangs_up_while_the_file_is_opened_leaves_it_to_whoever_comes_next(
    tmp_path: Path, at: int | None, left: bytes | None
) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"some" if at else b"")
    request = Request({"type": "http", "headers": []}, never)

    async def cut() -> None:
        sending = asyncio.create_task(keep_body(request, path, Bounds(), at=at))
        await asyncio.sleep(0)  # now a thread opens it
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    asyncio.run(cut())

    assert (path.read_bytes() if path.exists() else None) == left
    Draft(path, Bounds(), at=at).finished()
