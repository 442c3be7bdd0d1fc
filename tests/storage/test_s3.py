"""S3 where it goes wrong: broken and silent connections, stores in trouble, and credentials that do not do."""

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers.ceph import Gateway
from servers.scripted import Scripted, scripted
from servers.started import free_port
from storage.places import PATIENCE, Place

from framemill.errors import (
    AddressRefused,
    StorageBroken,
    StorageError,
    StorageExists,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.access import Access, S3Access
from framemill.storage.address import address_of
from framemill.storage.base import Sending
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience, opened
from framemill.storage.s3 import S3Store, part_bytes_for
from framemill.storage.s3client import client_of

BYTES = random.Random(8).randbytes(20_000_003)  # noqa: S311
QUICK = Patience(silence_seconds=10, retries=2, pause_seconds=0.01)
HASTY = Patience(silence_seconds=0.7, retries=1, pause_seconds=0.01)
CALM = Patience(silence_seconds=3, retries=1, pause_seconds=0.01)
"""For a server that is silent once: on a busy machine its next answer is not to pass for silence, too."""
SECRETS: dict[str, Any] = {
    "access_key_id": "AKIAVERYSECRET",
    "secret_access_key": "the-secret-itself",
    "session_token": "a-token-that-nobody-sees",
}

Made = Callable[[bytes], Path]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(film=BYTES) as running:
        yield running


_entered: list[S3Store] = []


@pytest.fixture(autouse=True)
def _left() -> Iterator[None]:
    yield
    while _entered:
        _entered.pop().close()


def entered(bucket: str, access: Access | None, *, patience: Patience = QUICK, reach: Reach | None = None) -> S3Store:
    found = opened(address_of(f"s3://{bucket}/"), access, reach, patience)
    assert isinstance(found, S3Store)
    _entered.append(found)
    return found


def store(
    endpoint: str, *, patience: Patience = QUICK, reach: Reach | None = None, signed: bool = True, region: str = "r"
) -> S3Store:
    access = S3Access(endpoint=endpoint, region=region, **(SECRETS if signed else {}))
    return entered("bucket", access, reach=reach, patience=patience)


def test_a_connection_that_breaks_is_taken_up_again(server: Scripted) -> None:
    server.breaks += [1_000_000, 5, 0, 3_000_000]
    assert b"".join(store(server.url).stream("film")) == BYTES


def test_a_connection_that_always_breaks_is_never_a_short_file(server: Scripted) -> None:
    server.breaks += [1_000_000] + [0] * 100
    with pytest.raises(StorageBroken, match=r"s3://bucket/film: .*broke off"):
        list(store(server.url).stream("film"))


def test_a_body_that_stops_coming_is_asked_for_again(server: Scripted) -> None:
    server.pauses = 1
    assert b"".join(store(server.url, patience=CALM).stream("film")) == BYTES


def test_a_store_that_is_silent_is_unreachable(server: Scripted, made: Made) -> None:
    server.silences = 100
    with pytest.raises(StorageUnreachable, match="silent"):
        store(server.url, patience=HASTY).stat("film")
    with pytest.raises(StorageUnreachable, match="silent"):
        store(server.url, patience=HASTY).write("new", made(b"x"), Sending())


def test_a_store_that_is_silent_once_is_asked_again(server: Scripted) -> None:
    server.silences = 1
    assert store(server.url, patience=CALM).stat("film").size == len(BYTES)


def test_a_store_without_ranges_still_gives_its_bytes(server: Scripted) -> None:
    server.ranges = False
    assert store(server.url).read("film", 10_000_000, 10_000_010) == BYTES[10_000_000:10_000_010]
    assert b"".join(store(server.url).stream("film", 5)) == BYTES[5:]


def test_a_thing_that_changes_while_it_is_read_is_broken(server: Scripted) -> None:
    server.files["/bucket/film"] = BYTES * 4
    blocks = store(server.url).stream("film")
    next(blocks)
    server.files["/bucket/film"] = b"another"
    with pytest.raises(StorageBroken, match="changed"):
        list(blocks)


def test_an_answer_that_was_lost_does_not_make_a_rival_of_our_own_put(server: Scripted, made: Made) -> None:
    server.files["/bucket/new"] = b"mine"
    server.answers += [(404, ""), (200, ""), (500, "InternalError"), (412, "PreconditionFailed")]
    assert store(server.url).write("new", made(b"mine"), Sending(if_exists="fail")).size == 4


ANSWERS: list[tuple[int, str, type[StorageError], str]] = [
    (403, "InvalidAccessKeyId", StorageRefused, "access key id"),
    (403, "SignatureDoesNotMatch", StorageRefused, "secret access key"),
    (400, "ExpiredToken", StorageRefused, "expired"),
    (403, "RequestTimeTooSkewed", StorageRefused, "clocks"),
    (403, "AccessDenied", StorageRefused, "may read it"),
    (403, "QuotaExceeded", StorageFull, "quota"),
    (507, "InsufficientStorage", StorageFull, "free some room"),
    (404, "NoSuchBucket", StorageMissing, "no bucket 'bucket'"),
    (404, "NoSuchKey", StorageMissing, "nothing of that key"),
    (301, "PermanentRedirect", StorageRefused, "region"),
    (400, "AuthorizationHeaderMalformed", StorageRefused, "region"),
    (418, "Teapot", StorageRefused, "418, Teapot"),
]


@pytest.mark.parametrize(("status", "code", "kind", "words"), ANSWERS, ids=str)
def test_what_a_store_says_is_told_in_words_that_help(
    server: Scripted, status: int, code: str, kind: type[StorageError], words: str
) -> None:
    server.answers += [(status, code)] * 10
    with pytest.raises(kind, match=re.escape(words)) as told:
        store(server.url).read("film", 0, 10)
    assert type(told.value) is kind


def test_a_store_in_trouble_is_asked_again_and_then_unreachable(server: Scripted) -> None:
    server.answers += [(503, "SlowDown")] * 2
    assert store(server.url).read("film", 0, 3) == BYTES[:3]
    server.answers += [(503, "SlowDown")] * 3
    with pytest.raises(StorageUnreachable, match="503"):
        store(server.url).read("film", 0, 3)


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(StorageUnreachable, match="cannot be reached"):
        store(f"http://127.0.0.1:{free_port()}").stat("film")
    with pytest.raises(StorageUnreachable):
        store("http://no-such-host.invalid").stat("film")


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://127.0.0.1", "http://", "http://a b/"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises((StorageRefused, StorageUnreachable)):
        store(endpoint).stat("film")


@pytest.mark.parametrize("status", [0, 301, 400, 403, 404, 412, 500])
def test_no_message_holds_a_secret(server: Scripted, made: Made, status: int) -> None:
    there = store(server.url, patience=Patience(silence_seconds=0.2, retries=0))
    doings: list[Callable[[], object]] = [
        lambda: there.stat("film"),
        lambda: there.read("film", 0, 9),
        lambda: list(there.stream("film")),
        lambda: there.write("film", made(b"x"), Sending()),
        lambda: there.write("film", made(BYTES), Sending()),
        lambda: list(there.list("")),
        lambda: there.delete("film"),
    ]
    for doing in doings:
        server.answers[:] = [(status, "Some&secret-words")] * 20 if status else []
        server.silences = 0 if status else 20
        with pytest.raises(StorageError) as told:
            doing()
        said = f"{told.value!r} {told.value.message} {told.value.__cause__!r}"
        assert not any(word in said for word in (*SECRETS.values(), "Signature=", "X-Amz", "secret-words"))
    assert not any(secret in repr(S3Access(**SECRETS)) for secret in SECRETS.values())


def test_all_that_the_caller_gave_is_sent_and_nothing_else(server: Scripted) -> None:
    store(server.url, region="eu-west-7").stat("film")
    headers = server.asked[-1].headers
    assert headers["x-amz-security-token"] == SECRETS["session_token"]
    assert f"{SECRETS['access_key_id']}/" in headers["authorization"]
    assert "/eu-west-7/s3/" in headers["authorization"]
    assert server.asked[-1].target == "/bucket/film"

    store(server.url, signed=False).stat("film")
    assert {"authorization", "x-amz-security-token"} & set(server.asked[-1].headers) == set()


def test_a_bucket_may_be_in_the_name_of_the_host() -> None:
    access = S3Access(endpoint="http://store.test", path_style=False, **SECRETS)
    url = entered("bucket", access).presign("film", "GET", 60)
    assert url is not None
    assert url.startswith("http://bucket.store.test/film?")
    dotted = entered("a.bucket", S3Access(region="eu-west-1", **SECRETS)).presign("film", "GET", 60)
    assert dotted is not None
    assert dotted.startswith("https://s3.eu-west-1.amazonaws.com/a.bucket/film?")


def test_an_address_that_is_closed_to_clients_is_refused(server: Scripted, made: Made) -> None:
    there = store(server.url, reach=Reach())
    with pytest.raises(AddressRefused, match="FRAMEMILL_ALLOWED_NETWORKS"):
        there.stat("film")
    with pytest.raises(AddressRefused):
        there.write("new", made(BYTES), Sending())
    assert server.asked == []


def test_an_address_that_is_open_to_clients_is_reached(server: Scripted) -> None:
    reach = Reach.model_validate({"networks": ["127.0.0.1/32"]})
    assert b"".join(store(server.url, reach=reach).stream("film")) == BYTES


@pytest.mark.parametrize("size", [0, 1, 5 << 20, 80_000 << 20, (80_000 << 20) + 1, 5 << 40])
def test_parts_are_never_too_many_nor_too_large(size: int) -> None:
    part = part_bytes_for(size)
    assert part >= 5 << 20
    assert part <= 5 << 30
    assert size <= 10_000 * part


@pytest.mark.servers
class TestOnCeph:
    """Whatever only a store that checks can tell."""

    def test_wrong_credentials_are_told_apart(self, in_ceph: Place, gateway: Gateway) -> None:
        assert isinstance(in_ceph.access, S3Access)
        for changed, words in (
            ({"secret_access_key": "wrong"}, "secret access key"),
            ({"access_key_id": "AKNOBODY"}, "access key id"),
            ({"access_key_id": "", "secret_access_key": ""}, "without credentials"),
        ):
            there = entered(in_ceph.root.host, in_ceph.access.model_copy(update=changed))
            with pytest.raises(StorageRefused, match=words):
                there.stat("film")
            with pytest.raises(StorageRefused, match=words):
                list(there.list(""))

    def test_a_missing_bucket_is_told_from_a_missing_key(self, in_ceph: Place, made: Made) -> None:
        assert isinstance(in_ceph.access, S3Access)
        there = entered("no-such-bucket", in_ceph.access)
        doings: list[Callable[[], object]] = [
            lambda: there.stat("film"),
            lambda: there.read("film", 0, 9),
            lambda: list(there.list("")),
            lambda: there.delete("film"),
            lambda: there.write("film", made(b"x"), Sending()),
            lambda: there.write("film", made(b"x"), Sending(if_exists="fail")),
            lambda: there.write("film", made(BYTES), Sending()),
        ]
        for doing in doings:
            with pytest.raises(StorageMissing, match="no bucket 'no-such-bucket'"):
                doing()

    @pytest.mark.parametrize("size", [1000, len(BYTES)])
    def test_what_is_for_everybody_anybody_reads(self, in_ceph: Place, made: Made, size: int) -> None:
        assert isinstance(in_ceph.access, S3Access)
        bucket, endpoint = in_ceph.root.host, in_ceph.access.endpoint
        entered(bucket, in_ceph.access).write("a", made(BYTES[:size]), Sending(acl="public-read"))
        entered(bucket, in_ceph.access).write("b", made(BYTES[:size]), Sending())
        anybody = entered(bucket, S3Access(endpoint=endpoint))
        assert b"".join(anybody.stream("a")) == BYTES[:size]
        assert anybody.presign("a", "GET", 60) is None
        with pytest.raises(StorageRefused, match="without credentials"):
            anybody.read("b", 0, 10)

    def test_an_acl_that_there_is_not_is_refused(self, in_ceph: Place, made: Made) -> None:
        there = entered(in_ceph.root.host, in_ceph.access)
        with pytest.raises(StorageError):
            there.write("a", made(b"x"), Sending(acl="no-such-acl"))

    def test_a_url_that_has_expired_is_refused(self, in_ceph: Place, made: Made) -> None:
        there = entered(in_ceph.root.host, in_ceph.access)
        there.write("a", made(b"x"), Sending())
        url = there.presign("a", "GET", -5)
        assert url is not None
        assert httpx.get(url).status_code == 403

    def test_an_upload_that_ends_early_leaves_no_parts(self, in_ceph: Place, made: Made) -> None:
        def enough(done: int, _of: int | None) -> None:
            if done > 9_000_000:
                raise KeyError(done)

        with pytest.raises(KeyError):
            entered(in_ceph.root.host, in_ceph.access).write("a", made(BYTES), Sending(), enough)
        assert isinstance(in_ceph.access, S3Access)
        client = client_of(in_ceph.access, None, PATIENCE)
        assert client.list_multipart_uploads(Bucket=in_ceph.root.host).get("Uploads", []) == []
        client.close()

    def test_a_full_store_is_full(self, in_ceph: Place, gateway: Gateway, made: Made) -> None:
        bucket = in_ceph.root.host
        gateway.admin("quota", "set", "--bucket", bucket, "--quota-scope=bucket", "--max-size=1M")
        gateway.admin("quota", "enable", "--bucket", bucket, "--quota-scope=bucket")
        for size in (2_000_000, len(BYTES)):
            with pytest.raises(StorageFull, match="free some room"):
                entered(in_ceph.root.host, in_ceph.access).write("a", made(BYTES[:size]), Sending())
        assert list(entered(in_ceph.root.host, in_ceph.access).list("")) == []

    def test_a_rival_that_was_quicker_wins(self, in_ceph: Place, made: Made) -> None:
        """The condition goes with the bytes: nothing was there when it was looked for."""
        there = entered(in_ceph.root.host, in_ceph.access)
        there._require_nothing_at = lambda path: None  # type: ignore[method-assign]
        there.write("a", made(b"first"), Sending(if_exists="fail"))
        with pytest.raises(StorageExists):
            there.write("a", made(b"second"), Sending(if_exists="fail"))

    def test_names_that_no_file_has_are_names_there(self, in_ceph: Place, made: Made) -> None:
        there = entered(in_ceph.root.host, in_ceph.access)
        names = ["/begins", "a//b", "ends/", "..", "a/../b", " ", "\u0645", "a\\b", "x" * 900]
        for name in names:
            there.write(name, made(name.encode()), Sending())
        assert [found.path for found in there.list("")] == sorted(names)
        assert [b"".join(there.stream(name)) for name in names] == [name.encode() for name in names]
