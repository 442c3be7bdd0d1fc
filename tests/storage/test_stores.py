"""What every store does alike, in real ones of each kind."""

import hashlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import httpx
import pytest
from storage.places import Place

from framemill.errors import StorageBroken, StorageExists, StorageMissing, StorageRefused
from framemill.storage.base import Sending, Stat, Storage

STORES = [
    "in_folder",
    "in_moto",
    pytest.param("in_ceph", marks=pytest.mark.servers),
    pytest.param("in_azurite", marks=pytest.mark.servers),
]
SERVERS = [
    *("in_gcs", "in_drive", "in_ftp", "in_sftp"),
    pytest.param("in_openssh", marks=pytest.mark.servers),
]
UNSIGNED = ["in_folder", "in_drive", "in_ftp", "in_sftp"]
SIGNING = [*(store for store in STORES if store != "in_folder"), "in_gcs"]
STRICT = STORES[2:]
"""Those that know a forged signature, and one that has expired."""
BYTES = random.Random(7).randbytes(20_000_003)  # noqa: S311
"""More than any of them sends in one request."""
NAME = "films/a b%20?#ü.mp4"

Made = Callable[[bytes], Path]


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Place)
    return found


@pytest.fixture
def storage(place: Place) -> Iterator[Storage]:
    opened = place.storage()
    yield opened
    opened.close()


everywhere = pytest.mark.parametrize("place", [*STORES, *SERVERS], indirect=True)
conditional = pytest.mark.parametrize("place", [one for one in [*STORES, *SERVERS] if one != "in_ftp"], indirect=True)


@everywhere
@pytest.mark.parametrize("size", [0, 1, 100_003, len(BYTES)])
def test_what_is_written_is_read_again(place: Place, storage: Storage, made: Made, size: int) -> None:
    body, path = BYTES[:size], place.path(NAME)
    written = storage.write(path, made(body), Sending(content_type="video/mp4"))
    assert written.size == size
    found = storage.stat(path)
    assert (found.path, found.size, found.etag) == (path, size, written.etag)
    assert b"".join(storage.stream(path)) == body
    assert b"".join(storage.stream(path, size // 3)) == body[size // 3 :]


@everywhere
def test_a_range_is_half_open_and_ends_where_the_thing_ends(place: Place, storage: Storage, made: Made) -> None:
    path = place.path("thing")
    storage.write(path, made(BYTES[:1000]), Sending())
    assert storage.read(path, 5, 10) == BYTES[5:10]
    assert storage.read(path, 990, 1010) == BYTES[990:1000]
    assert storage.read(path, 7, 7) == b""
    assert storage.read(path, 1000, 1010) == b""
    assert storage.read(path, 5000, 6000) == b""
    assert list(storage.stream(path, 1000)) == []


@everywhere
def test_what_is_not_there_is_missing(place: Place, storage: Storage) -> None:
    path = place.path("nothing/here.mp4")
    with pytest.raises(StorageMissing, match=r"nothing/here\.mp4.*Check"):
        storage.stat(path)
    with pytest.raises(StorageMissing):
        storage.read(path, 0, 10)
    with pytest.raises(StorageMissing):
        list(storage.stream(path))
    storage.delete(path)


@everywhere
def test_what_is_deleted_is_gone(place: Place, storage: Storage, made: Made) -> None:
    path = place.path(NAME)
    storage.write(path, made(b"x"), Sending())
    storage.delete(path)
    with pytest.raises(StorageMissing):
        storage.stat(path)


@everywhere
def test_another_takes_its_place(place: Place, storage: Storage, made: Made) -> None:
    path = place.path(NAME)
    storage.write(path, made(BYTES), Sending())
    storage.write(path, made(b"new"), Sending())
    assert b"".join(storage.stream(path)) == b"new"


@everywhere
@pytest.mark.parametrize("size", [3, len(BYTES)])
def test_what_is_not_to_be_replaced_stays(place: Place, storage: Storage, made: Made, size: int) -> None:
    path = place.path(NAME)
    storage.write(path, made(b"old"), Sending(if_exists="fail"))
    with pytest.raises(StorageExists, match="there is one already"):
        storage.write(path, made(BYTES[:size]), Sending(if_exists="fail"))
    assert storage.read(path, 0, 10) == b"old"


@conditional
def test_one_of_many_writers_at_once_is_the_first(place: Place, storage: Storage, made: Made) -> None:
    path, sources = place.path("race"), [made(bytes([number])) for number in range(8)]

    def write(source: Path) -> bool:
        try:
            storage.write(path, source, Sending(if_exists="fail"))
        except StorageExists:
            return False
        return True

    with ThreadPoolExecutor(len(sources)) as threads:
        won = list(threads.map(write, sources))
    assert won.count(True) == 1
    assert storage.read(path, 0, 9) == bytes([won.index(True)])


@everywhere
def test_everything_below_a_folder_is_listed_in_order(place: Place, storage: Storage, made: Made) -> None:
    names = ["a/2.mp4", "a/10.mp4", "a/b/c.mp4", "a/b.mp4", "ab.mp4", "a-b/x.mp4", "ä.mp4"]
    for number, name in enumerate(names):
        storage.write(place.path(name), made(b"x" * number), Sending())
    sizes = {place.path(name): number for number, name in enumerate(names)}
    below = [(found.path, found.size) for found in storage.list(place.path("a/"))]
    assert below == [(path, sizes[path]) for path in sorted(sizes) if path.startswith(place.path("a/"))]
    assert [found.path for found in storage.list(place.path(""))] == sorted(sizes)
    stat: Stat = next(iter(storage.list(place.path("a/"))))
    assert stat.modified is not None


@everywhere
@pytest.mark.parametrize("size", [1000, len(BYTES)])
def test_whoever_listens_hears_of_all_bytes(place: Place, storage: Storage, made: Made, size: int) -> None:
    heard: list[tuple[int, int | None]] = []
    storage.write(place.path("thing"), made(BYTES[:size]), Sending(), lambda done, of: heard.append((done, of)))
    assert heard[-1] == (size, size)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@everywhere
@pytest.mark.parametrize("size", [1000, len(BYTES)])
def test_whoever_listens_ends_it_and_nothing_is_there(place: Place, storage: Storage, made: Made, size: int) -> None:
    class Enough(Exception):
        pass

    def enough(_done: int, _of: int | None) -> None:
        raise Enough

    with pytest.raises(Enough):
        storage.write(place.path("thing"), made(BYTES[:size]), Sending(), enough)
    assert list(storage.list(place.path(""))) == []


@everywhere
@pytest.mark.parametrize("size", [1000, len(BYTES)])
def test_a_store_that_tells_an_md5_tells_the_right_one(place: Place, storage: Storage, made: Made, size: int) -> None:
    md5 = hashlib.md5(BYTES[:size], usedforsecurity=False).hexdigest()
    written = storage.write(place.path("thing"), made(BYTES[:size]), Sending(md5=md5))
    assert written.md5 in {None, md5}
    assert (written.md5 is None) == (place.root.scheme not in {"s3", "gs", "gdrive"})


@pytest.mark.parametrize("place", STORES[1:3], indirect=True)
@pytest.mark.parametrize("size", [1000, len(BYTES)])
def test_a_file_that_has_changed_is_not_sent(place: Place, storage: Storage, made: Made, size: int) -> None:
    md5 = hashlib.md5(b"as it was", usedforsecurity=False).hexdigest()
    with pytest.raises(StorageBroken, match="not what it was"):
        storage.write("thing", made(BYTES[:size]), Sending(md5=md5))
    assert list(storage.list("")) == []


@pytest.mark.parametrize("place", SIGNING, indirect=True)
def test_a_signed_url_does_what_it_was_signed_for(place: Place, storage: Storage, made: Made) -> None:
    path = place.path(NAME)
    put, get = storage.presign(path, "PUT", 60), storage.presign(path, "GET", 60)
    assert put is not None
    assert get is not None
    headers = {"x-ms-blob-type": "BlockBlob"} if place.root.scheme == "az" else {}
    assert httpx.put(put, content=BYTES[:1000], headers=headers).is_success
    assert httpx.get(get, headers={"Range": "bytes=10-19"}).content == BYTES[10:20]
    assert storage.stat(path).size == 1000


@pytest.mark.parametrize("place", STRICT, indirect=True)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_signed_url_does_nothing_else(
    place: Place, storage: Storage, made: Made, method: Literal["GET", "PUT"]
) -> None:
    path, other = place.path("mine"), place.path("other")
    storage.write(path, made(b"mine"), Sending())
    storage.write(other, made(b"other"), Sending())
    url = storage.presign(path, method, 60)
    assert url is not None
    headers = {"x-ms-blob-type": "BlockBlob"}
    for tampered in (url.replace("/mine", "/other"), url.replace("nature=", "nature=0").replace("sig=", "sig=0")):
        assert tampered != url
        assert httpx.request(method, tampered, headers=headers).status_code == 403
    assert httpx.delete(url).status_code in {403, 405}
    assert storage.read(other, 0, 9) == b"other"


@pytest.mark.parametrize("place", UNSIGNED, indirect=True)
def test_a_folder_signs_nothing_and_knows_no_acl(place: Place, storage: Storage, made: Made) -> None:
    assert storage.presign(place.path("x"), "GET", 60) is None
    with pytest.raises(StorageRefused, match="ACL"):
        storage.write(place.path("x"), made(b"x"), Sending(acl="public-read"))
