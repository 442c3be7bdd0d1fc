"""Web servers: polite ones, such as know no ranges, and such as break off, fall silent, or lead elsewhere."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.scripted import Scripted, scripted
from servers.started import free_port

from framemill.errors import (
    AddressRefused,
    StorageBroken,
    StorageError,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.access import HttpAccess
from framemill.storage.address import address_of
from framemill.storage.base import Sending, Storage
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience, opened

BYTES = random.Random(9).randbytes(5_000_003)  # noqa: S311
QUICK = Patience(silence_seconds=10, retries=2, pause_seconds=0.01)
HASTY = Patience(silence_seconds=0.5, retries=1, pause_seconds=0.01)
CALM = Patience(silence_seconds=3, retries=5, pause_seconds=0.01)
"""For a server that is silent once: on a busy machine its next answer is not to pass for silence, too."""
PATH = "bucket/film?signature=a-secret"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(film=BYTES) as running:
        yield running


_entered: list[Storage] = []


@pytest.fixture(autouse=True)
def _left() -> Iterator[None]:
    yield
    while _entered:
        _entered.pop().close()


def entered(
    uri: str, access: HttpAccess | None = None, reach: Reach | None = None, patience: Patience = QUICK
) -> Storage:
    _entered.append(opened(address_of(uri), access, reach, patience))
    return _entered[-1]


def web(
    server: Scripted, access: HttpAccess | None = None, reach: Reach | None = None, patience: Patience = QUICK
) -> Storage:
    return entered(f"{server.url}/{PATH}", access, reach, patience)


@pytest.mark.parametrize("ranges", [True, False])
def test_bytes_come_whole_or_in_ranges(server: Scripted, ranges: bool) -> None:
    server.ranges = ranges
    there = web(server)
    found = there.stat(PATH)
    assert (found.size, found.content_type) == (len(BYTES), "video/mp4")
    assert b"".join(there.stream(PATH)) == BYTES
    assert b"".join(there.stream(PATH, 4_000_000)) == BYTES[4_000_000:]
    assert there.read(PATH, 3_000_000, 3_000_010) == BYTES[3_000_000:3_000_010]
    assert there.read(PATH, len(BYTES) - 3, len(BYTES) + 3) == BYTES[-3:]
    assert there.read(PATH, len(BYTES), len(BYTES) + 3) == b""
    assert {asked.target for asked in server.asked} == {f"/{PATH}"}
    assert {asked.method for asked in server.asked} == {"GET"}


def test_an_empty_file_is_a_file(server: Scripted) -> None:
    server.files["/bucket/film"] = b""
    assert web(server).stat(PATH).size == 0
    assert list(web(server).stream(PATH)) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_breaks_is_taken_up_again(server: Scripted, ranges: bool) -> None:
    server.ranges = ranges
    server.breaks += [2_000_000, 3_000_000]
    assert b"".join(web(server).stream(PATH)) == BYTES


def test_a_connection_that_always_breaks_is_never_a_short_file(server: Scripted) -> None:
    server.breaks += [2_000_000] + [0] * 9
    with pytest.raises(StorageBroken, match="broke off"):
        list(web(server).stream(PATH))
    server.breaks += [5] * 9
    with pytest.raises(StorageBroken, match="broke off"):
        web(server).read(PATH, 0, 100)


def test_what_has_changed_meanwhile_is_not_put_together(server: Scripted) -> None:
    server.breaks.append(3_000_000)
    blocks = web(server).stream(PATH)
    next(blocks)
    server.files["/bucket/film"] = BYTES[::-1]
    with pytest.raises(StorageBroken, match="changed"):
        list(blocks)


def test_a_server_that_says_no_size_is_read_to_its_end(server: Scripted) -> None:
    server.sizes, server.ranges = False, False
    assert web(server).stat(PATH).size is None
    assert b"".join(web(server).stream(PATH)) == BYTES


def test_a_silent_server_is_unreachable_and_not_asked_again(server: Scripted) -> None:
    """Who has waited for it so long waits no further time: whoever wants the file tries it again, or not."""
    server.silences = 9
    with pytest.raises(StorageUnreachable, match="silent"):
        web(server, patience=HASTY).stat(PATH)
    assert len(server.asked) == 1


def test_a_server_that_falls_silent_for_good_is_asked_once_more(server: Scripted) -> None:
    server.pauses = 1
    blocks = web(server, patience=CALM).stream(PATH)
    next(blocks)
    server.silences = 9
    with pytest.raises(StorageUnreachable, match="silent"):
        list(blocks)
    assert len(server.asked) == 2


def test_a_server_that_falls_silent_once_is_asked_again(server: Scripted) -> None:
    server.pauses = 1
    assert b"".join(web(server, patience=CALM).stream(PATH)) == BYTES


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, StorageRefused),
        (403, StorageRefused),
        (404, StorageMissing),
        (410, StorageMissing),
        (418, StorageRefused),
        (429, StorageUnreachable),
        (500, StorageUnreachable),
        (503, StorageUnreachable),
    ],
)
def test_an_answer_is_told_in_words(server: Scripted, status: int, kind: type[StorageError]) -> None:
    server.answers += [(status, "secret-words")] * 3
    access = HttpAccess(user="ada", password="ada-secret", headers={"X-Key": "key-secret"})  # noqa: S106
    with pytest.raises(kind, match=rf"/bucket/film answered {status}") as told:
        web(server, access).stat(PATH)
    assert "secret" not in repr(told.value)


def test_a_server_in_trouble_is_asked_again(server: Scripted) -> None:
    server.answers += [(503, ""), (502, "")]
    assert web(server).stat(PATH).size == len(BYTES)


def test_nobody_there_is_unreachable() -> None:
    for host in (f"127.0.0.1:{free_port()}", "no-such-host.invalid"):
        with pytest.raises(StorageUnreachable, match="could not be reached"):
            entered(f"http://{host}/film").stat("film")


def test_the_caller_is_known_by_user_or_by_headers(server: Scripted) -> None:
    web(server, HttpAccess(user="ada", password="b", headers={"X-Key": "k"})).stat(PATH)  # noqa: S106
    assert server.asked[-1].headers["authorization"] == "Basic YWRhOmI="
    assert server.asked[-1].headers["x-key"] == "k"
    entered(server.url.replace("//", "//eve:c@") + "/" + PATH).stat(PATH)
    assert server.asked[-1].headers["authorization"] == "Basic ZXZlOmM="


def test_what_is_said_to_one_server_is_not_said_to_where_it_leads(server: Scripted) -> None:
    access = HttpAccess(user="ada", password="b", headers={"X-Key": "k", "Cookie": "c=d"})  # noqa: S106
    with scripted(other=BYTES) as other:
        server.elsewhere = {"/bucket/film": f"{other.url}/bucket/other"}
        assert b"".join(web(server, access).stream(PATH)) == BYTES
        assert server.asked[-1].headers["x-key"] == "k"
        assert {"authorization", "x-key", "cookie"} & set(other.asked[-1].headers) == set()
    with scripted(film=BYTES) as same:
        same.elsewhere = {"/bucket/moved": "/bucket/film"}
        entered(f"{same.url}/", access).stat("bucket/moved")
        assert same.asked[-1].headers["x-key"] == "k"


def test_a_ring_of_addresses_ends(server: Scripted) -> None:
    server.elsewhere = {"/bucket/film": "/bucket/film"}
    with pytest.raises(StorageBroken, match="without end"):
        web(server).stat(PATH)


def test_it_leads_to_no_file_of_the_farm(server: Scripted, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("secret")
    server.elsewhere = {"/bucket/film": f"file://{tmp_path}/own"}
    with pytest.raises(StorageBroken):
        web(server).stat(PATH)


def test_an_address_that_is_closed_to_clients_is_refused(server: Scripted) -> None:
    with pytest.raises(AddressRefused, match="FRAMEMILL_ALLOWED_NETWORKS"):
        web(server, reach=Reach()).stat(PATH)
    assert server.asked == []
    open_to_it = Reach.model_validate({"networks": ["127.0.0.1/32"]})
    assert b"".join(web(server, reach=open_to_it).stream(PATH)) == BYTES


def test_it_is_only_read_from(server: Scripted, made: Callable[[bytes], Path]) -> None:
    there = web(server)
    with pytest.raises(StorageRefused):
        there.write(PATH, made(b"x"), Sending())
    with pytest.raises(StorageRefused):
        there.list("bucket/")
    with pytest.raises(StorageRefused):
        there.delete(PATH)
    assert there.presign(PATH, "GET", 60) is None
