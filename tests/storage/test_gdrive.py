"""What Google Drive does its own way: ids and names, tokens that expire, uploads that are taken up again."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.drive import FOLDER, ROOT, TOKEN, Drive, running_drive

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
from framemill.storage.access import DriveAccess
from framemill.storage.address import address_of
from framemill.storage.base import Sending
from framemill.storage.gdrive import DriveStorage
from framemill.storage.guard import Reach
from framemill.storage.opening import Patience, opened

BYTES = bytes(range(250)) * 36_000  # 9 MB: more than one request, either way
PATIENCE = Patience(silence_seconds=5, retries=2, pause_seconds=0.05)


@pytest.fixture
def drive() -> Iterator[Drive]:
    with running_drive() as running:
        yield running


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(BYTES)
    return path


def entered(drive: Drive, root: str = ROOT, reach: Reach | None = None) -> DriveStorage:
    return DriveStorage(root, DriveAccess(token=TOKEN, base_url=drive.endpoint), reach, PATIENCE)


def test_a_file_is_read_by_its_id(drive: Drive) -> None:
    storage = entered(drive, drive.make("film.mov", BYTES))
    stat = storage.stat("")
    assert (stat.path, stat.size, stat.md5) == ("", len(BYTES), hashlib.md5(BYTES, usedforsecurity=False).hexdigest())
    assert b"".join(storage.stream("")) == BYTES
    assert storage.read("", 100, 200) == BYTES[100:200]
    storage.close()


def test_a_server_without_ranges_is_read_all_the_same(drive: Drive) -> None:
    drive.ranges = False
    storage = entered(drive, drive.make("film.mov", BYTES))
    assert storage.read("", 100, 200) == BYTES[100:200]
    assert b"".join(storage.stream("", 1000)) == BYTES[1000:]
    storage.close()


def test_the_newest_of_one_name_is_meant(drive: Drive, clip: Path) -> None:
    drive.make("it's \\ a film.mov", b"old")
    drive.make("it's \\ a film.mov", b"new")
    storage = entered(drive)
    assert storage.read("it's \\ a film.mov", 0, 9) == b"new"
    assert [(stat.path, stat.size) for stat in storage.list("")] == [("it's \\ a film.mov", 3)]
    storage.write("it's \\ a film.mov", clip, Sending())
    assert drive.named("it's \\ a film.mov") == [b"old", BYTES]
    storage.close()


def test_what_has_no_bytes_is_no_file(drive: Drive) -> None:
    folder = drive.make("films", None, kind=FOLDER)
    drive.make("letter", None, kind="application/vnd.google-apps.document")
    drive.make("../../escape.mov", b"x")
    drive.make("a.mov", b"x", folder)
    storage = entered(drive)
    assert [stat.path for stat in storage.list("")] == ["films/a.mov"]
    for path in ("films", "letter", ""):
        with pytest.raises(StorageMissing):
            storage.stat(path)
    with pytest.raises(StorageRefused, match="Name the file"):
        storage.write("", Path(__file__), Sending())
    storage.close()


def test_a_folder_that_is_not_there_is_missing(drive: Drive, clip: Path) -> None:
    storage = entered(drive, "nobody-knows-it")
    for use in (
        lambda: storage.stat("x"),
        lambda: storage.stat(""),
        lambda: list(storage.list("")),
        lambda: storage.write("x", clip, Sending()),
    ):
        with pytest.raises(StorageMissing):
            use()
    storage.close()


def test_a_token_that_has_expired_is_told_and_not_repeated(drive: Drive, clip: Path) -> None:
    drive.tokens.clear()
    storage = entered(drive)
    with pytest.raises(StorageRefused, match=r"expired.*cannot renew") as failed:
        storage.stat("x")
    assert TOKEN not in str(failed.value)
    with pytest.raises(StorageRefused, match=r"expired.*cannot renew") as failed:
        storage.write("x", clip, Sending())
    assert TOKEN not in str(failed.value)
    storage.close()


def test_a_token_that_expires_in_the_middle_of_an_upload_is_told(drive: Drive, clip: Path) -> None:
    drive.refuses = [("PUT", 401, "authError")]
    storage = entered(drive)
    with pytest.raises(StorageRefused, match="expired"):
        storage.write("out.mp4", clip, Sending())
    assert drive.named("out.mp4") == []
    assert drive.sessions == {}
    storage.close()


def test_without_a_token_it_is_not_even_opened() -> None:
    with pytest.raises(StorageRefused, match="token"):
        opened(address_of("gdrive://abc"), None, None)


@pytest.mark.parametrize(
    ("status", "reason", "meant"),
    [
        (403, "storageQuotaExceeded", StorageFull),
        (403, "insufficientFilePermissions", StorageRefused),
        (403, "userRateLimitExceeded", StorageUnreachable),
        (429, "rateLimitExceeded", StorageUnreachable),
        (503, "backendError", StorageUnreachable),
    ],
)
def test_what_drive_says_is_told(drive: Drive, clip: Path, status: int, reason: str, meant: type[StorageError]) -> None:
    drive.refuses = [("POST", status, reason)] * 3
    storage = entered(drive)
    with pytest.raises(meant, match=r"gdrive://folder-0/out\.mp4"):
        storage.write("out.mp4", clip, Sending())
    assert drive.named("out.mp4") == []
    storage.close()


def test_a_full_drive_says_so(drive: Drive, clip: Path) -> None:
    drive.room = 1000
    storage = entered(drive)
    with pytest.raises(StorageFull, match="storageQuotaExceeded"):
        storage.write("out.mp4", clip, Sending())
    storage.close()


def test_trouble_that_passes_is_waited_for(drive: Drive, clip: Path) -> None:
    drive.refuses = [
        ("GET", 503, "backendError"),
        ("POST", 403, "userRateLimitExceeded"),
        ("PUT", 500, "internalError"),
    ]
    storage = entered(drive)
    assert storage.write("out.mp4", clip, Sending()).size == len(BYTES)
    assert drive.named("out.mp4") == [BYTES]
    storage.close()


def test_an_upload_that_breaks_off_is_gone_on_with(drive: Drive, clip: Path) -> None:
    drive.takes = [1 << 20, 3 << 20, 0]
    storage = entered(drive)
    heard: list[int] = []
    assert storage.write("out.mp4", clip, Sending(), lambda done, _: heard.append(done)).size == len(BYTES)
    assert drive.named("out.mp4") == [BYTES]
    assert heard == sorted(heard)
    storage.close()


def test_an_upload_that_does_not_get_through_is_told_and_taken_back(drive: Drive, clip: Path) -> None:
    drive.takes = [0] * 99
    storage = entered(drive)
    with pytest.raises(StorageBroken):
        storage.write("out.mp4", clip, Sending())
    assert drive.named("out.mp4") == []
    assert drive.sessions == {}
    storage.close()


def test_a_download_that_breaks_off_is_gone_on_with_or_told(drive: Drive) -> None:
    storage = entered(drive, drive.make("film.mov", BYTES))
    drive.breaks = [1_000_000, 500_000]
    assert b"".join(storage.stream("")) == BYTES
    assert drive.breaks == []
    drive.breaks = [1_000_000] * 9
    with pytest.raises(StorageBroken):
        list(storage.stream(""))
    drive.breaks = [5]
    with pytest.raises(StorageBroken):
        storage.read("", 0, 100)
    storage.close()


def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed(drive: Drive) -> None:
    made = drive.make("film.mov", BYTES)
    storage = entered(drive, made)
    blocks = storage.stream("")
    next(blocks)
    drive.fill(made, bytes(len(BYTES)))
    with pytest.raises(StorageBroken, match="changed"):
        list(blocks)
    storage.close()


def test_somebody_who_is_quicker_is_not_replaced(drive: Drive, clip: Path) -> None:
    """Drive would keep both."""
    quick = [lambda: drive.make("out.mp4", b"theirs")]

    def meanwhile(_sent: int, _size: int | None) -> None:
        while quick:
            quick.pop()()

    storage = entered(drive)
    with pytest.raises(StorageExists, match="there is one already"):
        storage.write("out.mp4", clip, Sending(if_exists="fail"), meanwhile)
    assert drive.named("out.mp4") == [b"theirs"]
    storage.close()


def test_the_token_goes_to_drive_only(drive: Drive, clip: Path) -> None:
    """Where an upload is sent to, the answer of a server says."""
    with running_drive() as stranger:
        drive.elsewhere = stranger.endpoint
        storage = entered(drive)
        with pytest.raises(StorageError):
            storage.write("out.mp4", clip, Sending())
        storage.close()
    assert stranger.asked
    assert {token for _, _, token in stranger.asked} == {""}
    assert {token for _, _, token in drive.asked} == {TOKEN}


def test_a_closed_network_is_refused(drive: Drive) -> None:
    storage = entered(drive, reach=Reach())
    with pytest.raises(AddressRefused, match="FRAMEMILL_ALLOWED_NETWORKS"):
        storage.stat("x")
    storage.close()
    assert drive.asked == []


def test_an_open_network_is_reached(drive: Drive) -> None:
    drive.make("film.mov", BYTES)
    storage = entered(drive, reach=Reach.model_validate({"networks": ["127.0.0.0/8"]}))
    assert b"".join(storage.stream("film.mov")) == BYTES
    storage.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "nonsense", "http://"])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(StorageRefused, match="base URL"):
        DriveStorage("x", DriveAccess(token=TOKEN, base_url=url), None, PATIENCE)


def test_nobody_there_is_unreachable() -> None:
    storage = DriveStorage("x", DriveAccess(token=TOKEN, base_url="http://127.0.0.1:9"), None, PATIENCE)
    with pytest.raises(StorageUnreachable):
        storage.stat("")
    storage.close()
