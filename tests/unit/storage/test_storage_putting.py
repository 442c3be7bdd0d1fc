"""Files in stores: what arrives is compared with what was sent, and nothing is listed before it is there."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from framemill.errors import StorageBroken, StorageExists, StorageMissing, StorageRefused
from framemill.jobs.settings.kinds import FITTINGS
from framemill.storage.base import OnBytes, Sending, Stat
from framemill.storage.content import content_type
from framemill.storage.putting import Wanted, free_path, in_turns, is_there, path_numbered, prove, put

BODY = b"what was verified"


def wanted(body: bytes = BODY) -> Wanted:
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Wanted(size=len(body), sha256=hashlib.sha256(body).hexdigest(), md5=md5)


class Store:
    """A store in memory, which spoils some of what it is sent."""

    def __init__(self, *, spoils: int = 0, says_md5: bool = False, refuses: frozenset[str] = frozenset()) -> None:
        self.there: dict[str, bytes] = {}
        self.spoils, self.says_md5, self.refuses = spoils, says_md5, refuses
        self.asked: list[str] = []

    def stat(self, path: str) -> Stat:
        self._asked("stat")
        if path not in self.there:
            raise StorageMissing(f"{path} is not there.")
        return self._stat(path)

    def read(self, path: str, start: int, end: int) -> bytes:
        return self.there[path][start:end]

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        self._asked("stream")
        yield self.there[path][start:]

    def write(self, path: str, source: Path, sending: Sending, on_bytes: OnBytes | None = None) -> Stat:
        self._asked("write")
        if sending.if_exists == "fail" and path in self.there:
            raise StorageExists(f"{path} is there.")
        body = source.read_bytes()
        self.spoils -= 1
        self.there[path] = body if self.spoils < 0 else body[:-1] + b"?"
        return self._stat(path)

    def list(self, prefix: str) -> Iterator[Stat]:
        return (self._stat(path) for path in sorted(self.there) if path.startswith(prefix))

    def delete(self, path: str) -> None:
        self._asked("delete")
        self.there.pop(path, None)

    def presign(self, path: str, method: str, seconds: int) -> str | None:
        return None

    def close(self) -> None:
        pass

    def _stat(self, path: str) -> Stat:
        body = self.there[path]
        return Stat(path=path, size=len(body), md5=wanted(body).md5 if self.says_md5 else None)

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if what in self.refuses:
            raise StorageRefused(f"No {what} for you.")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(BODY)
    return path


@pytest.mark.parametrize(("says_md5", "asked"), [(True, ["write"]), (False, ["write", "stream"])])
def test_what_arrived_is_compared(source: Path, says_md5: bool, asked: list[str]) -> None:
    """By the store's word, where it has one; else it is read back."""
    store = Store(says_md5=says_md5)
    put(store, "a.mp4", source, wanted(), Sending())
    assert (store.there, store.asked) == ({"a.mp4": BODY}, asked)


@pytest.mark.parametrize("says_md5", [True, False])
def test_what_was_spoiled_on_the_way_is_sent_again(source: Path, says_md5: bool) -> None:
    store = Store(spoils=1, says_md5=says_md5)
    put(store, "a.mp4", source, wanted(), Sending(if_exists="fail"))
    assert store.there == {"a.mp4": BODY}


def test_what_is_spoiled_each_time_is_gone(source: Path) -> None:
    store = Store(spoils=9)
    with pytest.raises(StorageBroken, match="not what was sent"):
        put(store, "a.mp4", source, wanted(), Sending())
    assert store.there == {}


def test_what_an_earlier_try_has_put_there_stays(source: Path) -> None:
    store = Store()
    store.there = {"a.mp4": BODY, "b.mp4": b"theirs"}
    put(store, "a.mp4", source, wanted(), Sending(if_exists="fail"))
    with pytest.raises(StorageExists):
        put(store, "b.mp4", source, wanted(), Sending(if_exists="fail"))
    assert store.there == {"a.mp4": BODY, "b.mp4": b"theirs"}
    assert [is_there(store, path, wanted()) for path in store.there] == [True, False]


def test_only_a_write_proves_that_it_can_be_written(tmp_path: Path) -> None:
    store = Store(refuses=frozenset({"write"}))
    with pytest.raises(StorageRefused, match="No write"):
        prove(store, "films/a.mp4", folder=False)


def test_credentials_that_may_only_write_are_enough() -> None:
    store = Store(refuses=frozenset({"stat", "delete"}))
    assert prove(store, "films/a.mp4", folder=False) is None
    assert list(store.there) == ["films/.framemill-probe"]
    store.refuses = frozenset()
    assert prove(store, "films", folder=True) is False  # what was left there is nobody's


def test_a_number_is_found_that_nothing_has() -> None:
    store = Store()
    store.there = dict.fromkeys(["a/film.mp4", "a/film (2).mp4", "hls/master.m3u8"], b"")
    assert free_path(store, "a/film.mp4", folder=False) == "a/film (3).mp4"
    assert free_path(store, "hls", folder=True) == "hls (2)"
    assert free_path(store, "new", folder=True) == "new"


@pytest.mark.parametrize(
    ("path", "folder", "numbered"),
    [
        ("a/film.mp4", False, "a/film (2).mp4"),
        ("a.b/film", False, "a.b/film (2)"),
        ("a/season.1", True, "a/season.1 (2)"),
        (".mp4", False, ".mp4 (2)"),
    ],
)
def test_a_number_stands_before_the_suffix(path: str, folder: bool, numbered: str) -> None:
    assert path_numbered(path, 2, folder=folder) == numbered
    assert path_numbered(path, 1, folder=folder) == path


def test_nothing_is_listed_before_it_is_there() -> None:
    files = ["master.m3u8", "manifest.mpd", "video.mp4", "720p/playlist.m3u8", "720p/1.m4s", "720p/init.mp4", "a.vtt"]
    assert in_turns(files) == [
        ["720p/1.m4s", "720p/init.mp4", "a.vtt", "video.mp4"],
        ["720p/playlist.m3u8"],
        ["manifest.mpd", "master.m3u8"],
    ]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("a/manifest.MPD", "application/dash+xml"),
        ("720p/1.m4s", "video/iso.segment"),
        ("a.vtt", "text/vtt; charset=utf-8"),
        ("a.html", "application/octet-stream"),
    ],
)
def test_players_are_told_what_it_is(path: str, kind: str) -> None:
    assert content_type(path) == kind


@pytest.mark.parametrize("container", sorted({*FITTINGS, "zip"} - {"package"}))
def test_whatever_the_farm_makes_has_a_type(container: str) -> None:
    assert content_type(f"output.{container}") != "application/octet-stream"
