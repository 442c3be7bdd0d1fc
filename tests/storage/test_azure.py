"""Azure where it goes wrong: broken and silent connections, and credentials that do not do."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from servers.azurite import Azurite
from servers.scripted import Scripted, scripted
from storage.places import Place

from framemill.errors import (
    AddressRefused,
    StorageBroken,
    StorageError,
    StorageFull,
    StorageMissing,
    StorageRefused,
    StorageUnreachable,
)
from framemill.storage.access import AzureAccess
from framemill.storage.address import address_of
from framemill.storage.base import Sending, Storage
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience, opened

BYTES = random.Random(10).randbytes(20_000_003)  # noqa: S311
QUICK = Patience(silence_seconds=10, retries=2, pause_seconds=0.01)
HASTY = Patience(silence_seconds=0.7, retries=1, pause_seconds=0.01)
KEY = "dGhlLXNlY3JldC1pdHNlbGY="
SAS = "sv=2023-11-03&sr=c&sp=r&sig=the-secret-signature"

Made = Callable[[bytes], Path]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted() as running:
        running.files["/account/bucket/film"] = BYTES
        yield running


def azure(
    server: Scripted, patience: Patience = QUICK, reach: Reach | None = None, *, key: str = KEY, sas: str = ""
) -> Storage:
    access = AzureAccess(account="account", endpoint=f"{server.url}/account", key=key, sas=sas)
    return opened(address_of("az://bucket/"), access, reach, patience)


def test_a_connection_that_breaks_is_taken_up_again(server: Scripted) -> None:
    server.breaks += [1_000_000, 5]
    assert b"".join(azure(server).stream("film")) == BYTES


def test_a_connection_that_always_breaks_is_never_a_short_file(server: Scripted) -> None:
    server.breaks += [1_000_000] + [0] * 100
    with pytest.raises((StorageBroken, StorageUnreachable), match="az://bucket/film"):
        list(azure(server).stream("film"))


def test_a_store_that_is_silent_is_unreachable(server: Scripted) -> None:
    server.silences = 100
    with pytest.raises(StorageUnreachable, match="silent"):
        azure(server, HASTY).stat("film")


@pytest.mark.parametrize(
    "answer",
    [
        (403, "AuthenticationFailed", StorageRefused),
        (403, "AuthorizationPermissionMismatch", StorageRefused),
        (404, "ContainerNotFound", StorageMissing),
        (404, "BlobNotFound", StorageMissing),
        (413, "RequestBodyTooLarge", StorageFull),
        (507, "", StorageFull),
        (503, "ServerBusy", StorageUnreachable),
        (418, "Teapot", StorageRefused),
    ],
)
@pytest.mark.parametrize("by", [{"key": KEY}, {"key": "", "sas": SAS}], ids=["key", "signature"])
def test_what_a_store_says_is_told_without_secrets(
    server: Scripted, made: Made, answer: tuple[int, str, type[StorageError]], by: dict[str, str]
) -> None:
    status, code, kind = answer
    there = azure(server, **by)  # type: ignore[arg-type]
    doings: list[Callable[[], object]] = [
        lambda: there.read("film", 0, 9),
        lambda: there.write("film", made(b"x"), Sending()),
        lambda: there.write("film", made(BYTES[:9_000_000]), Sending()),
        lambda: list(there.list("")),
    ]
    for doing in doings:
        server.answers[:] = [(status, code)] * 20
        with pytest.raises(kind) as told:
            doing()
        assert "secret" not in f"{told.value!r} {told.value.__cause__!r}"
        assert KEY not in repr(told.value)


def test_a_signature_is_sent_as_it_is(server: Scripted) -> None:
    assert azure(server, key="", sas=f"?{SAS}").read("film", 0, 3) == BYTES[:3]
    assert "sig=the-secret-signature" in server.asked[-1].target
    assert azure(server, key="").read("film", 0, 3) == BYTES[:3]
    assert server.asked[-1].target == "/account/bucket/film"
    assert "authorization" not in server.asked[-1].headers


def test_an_address_that_is_closed_to_clients_is_refused(server: Scripted, made: Made) -> None:
    there = azure(server, reach=Reach())
    with pytest.raises(AddressRefused, match="FRAMEMILL_ALLOWED_NETWORKS"):
        there.read("film", 0, 3)
    with pytest.raises(AddressRefused):
        there.write("film", made(b"x"), Sending())
    assert server.asked == []
    open_to_it = Reach.model_validate({"networks": ["127.0.0.1/32"]})
    assert b"".join(azure(server, reach=open_to_it).stream("film")) == BYTES


def test_what_cannot_be_asked_for_is_refused(server: Scripted, made: Made) -> None:
    with pytest.raises(StorageRefused, match="account"):
        opened(address_of("az://bucket/film"), None, None)
    for name in ("/film", "a//film", "a/../film"):
        with pytest.raises(StorageRefused, match="cannot name"):
            azure(server).read(name, 0, 3)
    with pytest.raises(StorageRefused, match="ACL"):
        azure(server).write("film", made(b"x"), Sending(acl="public-read"))
    with pytest.raises(StorageError) as told:
        azure(server, key="no=base64;secret").read("film", 0, 3)
    assert "secret" not in repr(told.value)


@pytest.mark.servers
class TestOnAzurite:
    """Whatever only a store that checks can tell."""

    def test_a_missing_container_is_told_from_a_missing_blob(self, in_azurite: Place, made: Made) -> None:
        there = opened(address_of("az://no-such-box/"), in_azurite.access, None, QUICK)
        doings: list[Callable[[], object]] = [
            lambda: there.stat("film"),
            lambda: there.read("film", 0, 9),
            lambda: list(there.list("")),
            lambda: there.write("film", made(b"x"), Sending()),
            lambda: there.write("film", made(BYTES), Sending(if_exists="fail")),
        ]
        for doing in doings:
            with pytest.raises(StorageMissing, match="no container 'no-such-box'"):
                doing()

    def test_wrong_credentials_are_refused(self, in_azurite: Place, azurite: Azurite) -> None:
        for changed in ({"key": KEY}, {"key": "", "sas": SAS}, {"key": ""}):
            access = AzureAccess.model_validate({"account": azurite.account, "endpoint": azurite.endpoint, **changed})
            there = opened(in_azurite.root, access, None, QUICK)
            with pytest.raises(StorageRefused, match="access is denied"):
                there.stat("film")
            with pytest.raises(StorageRefused, match="access is denied"):
                list(there.list(""))

    def test_a_url_that_has_expired_is_refused(self, in_azurite: Place, made: Made) -> None:
        there = in_azurite.storage()
        there.write("a", made(b"x"), Sending())
        good, old = there.presign("a", "GET", 60), there.presign("a", "GET", -60)
        assert good is not None
        assert old is not None
        assert httpx.get(good).content == b"x"
        assert httpx.get(old).status_code == 403
