"""What Google Cloud Storage does its own way: key files and their tokens, conditions, faults."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.cloud.storage", reason="package missing: pip install framemill[gcs]")

from servers.gcs import GcsServer, running_gcs

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
from framemill.storage.access import GcsAccess
from framemill.storage.base import Sending
from framemill.storage.gcs import GcsStorage
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience

BYTES = bytes(range(250)) * 36_000  # 9 MB: more than one request, either way
PATIENCE = Patience(silence_seconds=5, retries=2, pause_seconds=0.05)


@pytest.fixture
def server() -> Iterator[GcsServer]:
    with running_gcs() as running:
        running.make_bucket("box")
        yield running


def entered(server: GcsServer, bucket: str = "box", reach: Reach | None = None, **keyfile: Any) -> GcsStorage:
    access = GcsAccess(keyfile=server.keyfile | keyfile, endpoint=server.endpoint)
    return GcsStorage(bucket, access, reach, PATIENCE)


def nobody(server: GcsServer) -> GcsStorage:
    return GcsStorage("box", GcsAccess(endpoint=server.endpoint), None, PATIENCE)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(BYTES)
    return path


def test_whoever_comes_without_credentials_reads_what_is_public(server: GcsServer, clip: Path) -> None:
    storage = entered(server)
    storage.write("clip.mp4", clip, Sending())
    storage.close()
    anybody = nobody(server)
    with pytest.raises(StorageRefused, match="credentials"):
        anybody.stat("clip.mp4")
    server.manners.public = frozenset({"box"})
    assert b"".join(anybody.stream("clip.mp4")) == BYTES
    with pytest.raises(StorageRefused):
        anybody.write("other.mp4", clip, Sending())
    assert anybody.presign("clip.mp4", "GET", 60) is None
    anybody.close()


def test_a_token_is_asked_for_once_and_again_when_it_is_taken_no_more(server: GcsServer) -> None:
    storage = entered(server)
    assert list(storage.list("")) == []
    assert list(storage.list("")) == []
    assert server.manners.given == 1
    server.manners.tokens.clear()
    assert list(storage.list("")) == []
    assert server.manners.given == 2
    storage.close()


def test_a_key_that_was_withdrawn_is_told(server: GcsServer) -> None:
    server.manners.withdrawn = True
    storage = entered(server)
    with pytest.raises(StorageRefused, match="withdrawn"):
        list(storage.list(""))
    storage.close()


def test_a_bucket_that_is_not_there_is_missing(server: GcsServer, clip: Path) -> None:
    storage = entered(server, "nowhere")
    for use in (lambda: storage.stat("x"), lambda: storage.write("x", clip, Sending()), lambda: list(storage.list(""))):
        with pytest.raises(StorageMissing):
            use()
    storage.close()


@pytest.mark.parametrize(
    ("status", "reason", "meant"),
    [
        (403, "quotaExceeded", StorageFull),
        (403, "forbidden", StorageRefused),
        (403, "userProjectAccountProblem", StorageRefused),
        (429, "rateLimitExceeded", StorageUnreachable),
        (503, "backendError", StorageUnreachable),
    ],
)
def test_what_the_store_says_is_told(
    server: GcsServer, clip: Path, status: int, reason: str, meant: type[StorageError]
) -> None:
    server.manners.refuses = {"POST": (status, reason)}
    storage = entered(server)
    with pytest.raises(meant, match=r"gs://box/out\.mp4"):
        storage.write("out.mp4", clip, Sending())
    assert server.objects("box") == []
    storage.close()


def test_a_download_that_breaks_off_is_gone_on_with_or_told(server: GcsServer, clip: Path) -> None:
    storage = entered(server)
    storage.write("clip.mp4", clip, Sending())
    server.manners.breaks = [1_000_000, 5]
    assert b"".join(storage.stream("clip.mp4")) == BYTES
    assert server.manners.breaks == []
    server.manners.breaks = [5] * 50
    with pytest.raises((StorageBroken, StorageUnreachable)):
        list(storage.stream("clip.mp4"))
    storage.close()


def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed(server: GcsServer, clip: Path) -> None:
    storage = entered(server)
    first = storage.write("clip.mp4", clip, Sending())
    storage.write("clip.mp4", clip, Sending())
    with pytest.raises(StorageBroken, match="changed"):
        storage._fetched("clip.mp4", 0, 10, first.etag)
    storage.close()


@pytest.mark.parametrize("size", [1000, len(BYTES)])
def test_other_bytes_than_were_promised_never_appear(server: GcsServer, clip: Path, size: int) -> None:
    clip.write_bytes(BYTES[:size])
    storage = entered(server)
    with pytest.raises(StorageError):
        storage.write("out.mp4", clip, Sending(md5="0" * 32))
    assert server.objects("box") == []
    storage.close()


def test_somebody_who_is_quicker_is_not_replaced(server: GcsServer, clip: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    storage, other = entered(server), entered(server)
    quick = [lambda: other.write("out.mp4", theirs, Sending())]

    def meanwhile(_sent: int, _size: int | None) -> None:
        while quick:
            quick.pop()()

    with pytest.raises(StorageExists, match="there is one already"):
        storage.write("out.mp4", clip, Sending(if_exists="fail"), meanwhile)
    assert storage.read("out.mp4", 0, 99) == b"theirs"
    storage.close()
    other.close()


def test_an_acl_that_google_does_not_know_is_refused(server: GcsServer, clip: Path) -> None:
    storage = entered(server)
    with pytest.raises(StorageRefused, match="ACL"):
        storage.write("out.mp4", clip, Sending(acl="everybody"))
    storage.write("out.mp4", clip, Sending(acl="public-read"))
    storage.close()


def test_a_closed_network_is_refused(server: GcsServer) -> None:
    storage = GcsStorage("box", GcsAccess(endpoint=server.endpoint), Reach(), PATIENCE)
    with pytest.raises(AddressRefused, match="FRAMEMILL_ALLOWED_NETWORKS"):
        storage.stat("x")
    storage.close()
    assert server.manners.given == 0


def test_a_key_file_does_not_lead_into_a_closed_network(server: GcsServer) -> None:
    """`token_uri` is a URL that the client wrote, and it is asked by POST."""
    with pytest.raises(StorageRefused, match="FRAMEMILL_ALLOWED_NETWORKS"):
        entered(server, reach=Reach())
    assert server.manners.given == 0


def test_a_key_file_leads_to_google_or_where_the_operator_says(server: GcsServer) -> None:
    reach = Reach(resolve=lambda _host, _port: ["93.184.216.34"])
    with pytest.raises(StorageRefused, match="not Google's"):
        entered(server, reach=reach, token_uri="https://tokens.example/token")  # noqa: S106
    with pytest.raises(StorageRefused, match="not Google's"):
        entered(server, reach=reach, token_uri="http://oauth2.googleapis.com/token")  # noqa: S106
    entered(server, reach=reach, token_uri="https://oauth2.googleapis.com/token").close()  # noqa: S106
    opened = Reach.model_validate({"networks": ["127.0.0.0/8"]})
    storage = entered(server, reach=opened)
    assert list(storage.list("")) == []
    storage.close()


@pytest.mark.parametrize(
    "keyfile",
    [
        {"type": "external_account", "credential_source": {"executable": {"command": "/bin/true"}}},
        {"type": "authorized_user", "refresh_token": "s3cret"},
        {"type": "impersonated_service_account"},
        {"private_key": "s3cret"},
        {"private_key": None},
        {"token_uri": "file:///etc/passwd"},
        {"universe_domain": "tokens.example"},
    ],
    ids=str,
)
def test_a_key_file_of_another_kind_is_refused_and_not_repeated(server: GcsServer, keyfile: dict[str, Any]) -> None:
    with pytest.raises(StorageRefused, match="key file") as failed:
        entered(server, **keyfile)
    assert "s3cret" not in str(failed.value)
    assert "PRIVATE" not in str(failed.value)


def test_nobody_there_is_unreachable() -> None:
    storage = GcsStorage("box", GcsAccess(endpoint="http://127.0.0.1:9"), None, PATIENCE)
    with pytest.raises(StorageUnreachable, match="Check the endpoint"):
        storage.stat("x")
    storage.close()
