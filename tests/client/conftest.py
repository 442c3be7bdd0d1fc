"""A farm's HTTP under a real server, and a line to it that can be cut."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from front_door import KEY, FrontDoor, served

from framemill.client import Framemill
from framemill.store.database import Database


class CutStream(httpx.SyncByteStream):
    """Breaks off after so many bytes."""

    def __init__(self, stream: httpx.SyncByteStream, left: int, error: httpx.TransportError) -> None:
        self._stream, self._left, self._error = stream, left, error

    def __iter__(self) -> Iterator[bytes]:
        for block in self._stream:
            yield block[: self._left]
            self._left -= len(block)
            if self._left <= 0:
                raise self._error

    def close(self) -> None:
        self._stream.close()


class Wire(httpx.BaseTransport):
    """A real connection, cut as often as it is told to."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.asked: list[tuple[str, str, str]] = []
        """Method, path, range."""
        self.cut: Callable[[httpx.Request], int | None] = lambda _: None
        """After how many bytes a body is cut; none: not at all."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path, request.headers.get("range", "")))
        left = self.cut(request)
        if left is None:
            return self._inner.handle_request(request)
        if request.method == "PUT":
            assert isinstance(request.stream, httpx.SyncByteStream)
            request.stream = CutStream(request.stream, left, httpx.WriteError("cut"))
            return self._inner.handle_request(request)
        answer = self._inner.handle_request(request)
        assert isinstance(answer.stream, httpx.SyncByteStream)
        answer.stream = CutStream(answer.stream, left, httpx.ReadError("cut"))
        return answer

    def close(self) -> None:
        self._inner.close()

    def of(self, method: str) -> list[tuple[str, str]]:
        """Path and range of the requests with that method."""
        return [(path, asked) for name, path, asked in self.asked if name == method]


@pytest.fixture
def door(database: Database) -> FrontDoor:
    return FrontDoor(database)


@pytest.fixture
def url(door: FrontDoor) -> Iterator[str]:
    with served(door) as found:
        yield found


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def farm(url: str, wire: Wire) -> Iterator[Framemill]:
    with Framemill(url, KEY, transport=wire, sleep=lambda _: None) as client:
        yield client
