"""tus 1.0: bodies that are gone on with where they were cut. Step by step, and by a client of somebody else's."""

import asyncio
import base64
import hashlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from front_door import KEY, FrontDoor, served
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from framemill.jobs.uploads import Upload
from framemill.store import uploads as upload_rows
from framemill.store.database import Database

BODY = bytes(range(256)) * 1024  # 256 KiB
SHA256 = hashlib.sha256(BODY).hexdigest()
TUS = {"Tus-Resumable": "1.0.0"}
MORE = {**TUS, "Content-Type": "application/offset+octet-stream"}


class Door(FrontDoor):
    def ask(self, method: str, url: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {**({} if key is None else {"Authorization": f"Bearer {key}"}), **more.pop("headers", {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.whole)
            async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
                return await client.request(method, url, headers=headers, **more)

        return asyncio.run(ask())

    def announced(self, **asked: Any) -> dict[str, Any]:
        told: dict[str, Any] = self.ask("POST", "/v1/uploads", key=KEY, json={"filename": "film.mov", **asked}).json()
        return told

    def made(self, **headers: str) -> httpx.Response:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/files/tus", key=KEY, headers={**TUS, **told})

    def send(self, url: str, offset: int, body: bytes, **headers: str) -> httpx.Response:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("PATCH", url, content=body, headers={**MORE, "Upload-Offset": str(offset), **told})

    def offset(self, url: str) -> int:
        answer = self.ask("HEAD", url, headers=TUS)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        return int(answer.headers["upload-offset"])

    def only(self) -> Upload:
        with self.database.reading() as conn:
            (found,) = upload_rows.list_uploads(conn)
        return found

    def bytes_of(self, upload: Upload) -> bytes:
        assert upload.blob is not None
        with open(upload.blob, "rb") as file:
            return file.read()


@pytest.fixture
def door(database: Database) -> Door:
    return Door(database)


def checksum(name: str, body: bytes) -> str:
    return f"{name} {base64.b64encode(hashlib.new(name, body, usedforsecurity=False).digest()).decode()}"


def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never came to that")


class TestStepByStep:
    def test_what_the_server_can_do(self, door: Door) -> None:
        answer = door.ask("OPTIONS", "/files/tus")

        assert answer.status_code == 204
        assert answer.headers["tus-version"] == "1.0.0"
        assert "creation-with-upload" in answer.headers["tus-extension"]
        assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256,md5"

    def test_in_pieces_by_the_link_of_an_upload(self, door: Door) -> None:
        told = door.announced(size=len(BODY))
        url = told["tus_url"]
        assert door.offset(url) == 0

        first = door.send(url, 0, BODY[:1000])
        assert (first.status_code, first.headers["upload-offset"]) == (204, "1000")
        assert "upload-expires" in first.headers
        assert door.offset(url) == 1000
        shown = door.ask("GET", f"/v1/uploads/{told['id']}", key=KEY).json()
        assert (shown["state"], shown["protocol"], shown["received_bytes"]) == ("open", "tus", 1000)
        last = door.send(url, 1000, BODY[1000:])

        assert last.headers["upload-offset"] == str(len(BODY))
        done = door.only()
        assert (done.state, done.size, door.bytes_of(done)) == ("completed", len(BODY), BODY)
        assert done.sha256 is None  # it came in pieces
        assert door.offset(url) == len(BODY)

    def test_made_by_the_client_with_its_name(self, door: Door) -> None:
        name = base64.b64encode("Käse.mov".encode()).decode()
        kind = base64.b64encode(b"video/quicktime").decode()

        made = door.made(upload_length="5", upload_metadata=f"filename {name},filetype {kind},flag")

        assert made.status_code == 201
        assert made.headers["location"].startswith("http://farm.example/files/tus/")
        assert (door.only().filename, door.only().content_type) == ("Käse.mov", "video/quicktime")
        head = door.ask("HEAD", made.headers["location"], headers=TUS)
        assert head.headers["upload-metadata"].startswith(f"filename {name}")
        assert head.headers["upload-length"] == "5"

    def test_with_its_body_at_once(self, door: Door) -> None:
        made = door.ask("POST", "/files/tus", key=KEY, content=b"12345", headers={**MORE, "Upload-Length": "5"})

        assert (made.status_code, made.headers["upload-offset"]) == (201, "5")
        assert door.only().sha256 == hashlib.sha256(b"12345").hexdigest()

    def test_an_empty_one_is_there_at_once(self, door: Door) -> None:
        assert door.made(upload_length="0").status_code == 201
        assert (door.only().state, door.only().size) == ("completed", 0)

    def test_of_a_length_that_is_told_later(self, door: Door) -> None:
        url = door.made(upload_defer_length="1").headers["location"]
        assert door.ask("HEAD", url, headers=TUS).headers["upload-defer-length"] == "1"
        door.send(url, 0, b"123")
        assert door.only().state == "open"

        door.send(url, 3, b"45", upload_length="5")

        assert door.bytes_of(door.only()) == b"12345"

    def test_from_another_offset_than_it_has(self, door: Door) -> None:
        url = door.made(upload_length="5").headers["location"]
        door.send(url, 0, b"12")

        for offset in (0, 1, 3):
            assert door.send(url, offset, b"x").status_code == 409
        assert door.offset(url) == 2

    def test_more_than_was_announced(self, door: Door) -> None:
        url = door.made(upload_length="5").headers["location"]

        assert door.send(url, 0, b"123456").status_code == 413
        assert door.offset(url) == 0

    @pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
    def test_a_piece_that_changed_on_its_way_is_taken_back(self, door: Door, algorithm: str) -> None:
        url = door.made(upload_length="6").headers["location"]
        assert door.send(url, 0, b"123", upload_checksum=checksum(algorithm, b"123")).status_code == 204

        wrong = door.send(url, 3, b"456", upload_checksum=checksum(algorithm, b"123"))

        assert (wrong.status_code, wrong.json()["error"]["code"]) == (460, "checksum_mismatch")
        assert door.offset(url) == 3
        assert door.send(url, 3, b"456", upload_checksum="crc32 x").status_code == 400
        assert door.send(url, 3, b"456", upload_checksum=checksum(algorithm, b"456")).status_code == 204
        assert door.bytes_of(door.only()) == b"123456"

    def test_given_up(self, door: Door) -> None:
        url = door.made(upload_length="5").headers["location"]
        door.send(url, 0, b"12")

        assert door.ask("DELETE", url, headers=TUS).status_code == 204
        assert door.ask("HEAD", url, headers=TUS).status_code == 404
        assert not door.parts.files.folder(door.only().id).exists()

    def test_by_whoever_can_only_post(self, door: Door) -> None:
        url = door.made(upload_length="5").headers["location"]
        headers = {**MORE, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}

        assert door.ask("POST", url, content=b"12", headers=headers).status_code == 204
        assert door.offset(url) == 2
        assert door.ask("POST", url, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 204
        assert door.ask("POST", url, headers=TUS).status_code == 405

    def test_a_completed_one_whose_row_was_never_written(self, door: Door) -> None:
        """The process ended between the last byte and the row: the next HEAD notices."""
        url = door.made(upload_length="5").headers["location"]
        upload = door.only()
        path = door.parts.files.folder(upload.id) / "tus"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"12345")

        assert door.offset(url) == 5
        assert door.only().state == "completed"

    @pytest.mark.parametrize(
        ("method", "headers", "status"),
        [
            ("HEAD", {}, 412),
            ("PATCH", {"Tus-Resumable": "0.2.2"}, 412),
            ("PATCH", {**TUS, "Content-Type": "video/mp4", "Upload-Offset": "0"}, 415),
            ("PATCH", MORE, 422),
            ("PATCH", {**MORE, "Upload-Offset": "-1"}, 422),
            ("PATCH", {**MORE, "Upload-Offset": "0", "Upload-Length": "7"}, 422),
        ],
    )
    def test_what_is_no_tus(self, door: Door, method: str, headers: dict[str, str], status: int) -> None:
        url = door.made(upload_length="5").headers["location"]

        answer = door.ask(method, url, headers=headers, content=None if method == "HEAD" else b"1")

        assert answer.status_code == status
        assert status != 412 or answer.headers["tus-version"] == "1.0.0"

    def test_who_may(self, door: Door) -> None:
        assert door.ask("POST", "/files/tus", headers={**TUS, "Upload-Length": "1"}).status_code == 401
        assert door.ask("HEAD", "/files/tus/x", headers=TUS).status_code == 401
        assert door.made().status_code == 422
        parts = door.announced(multipart=True)
        token = parts["part_url"].split("/")[-3]
        assert door.send(f"/files/tus/{token}", 0, b"x").status_code == 409


class TestOverTheWire:
    """Under a real server, which is cut off in the middle."""

    @pytest.fixture
    def url(self, door: Door) -> Iterator[str]:
        with served(door) as url:
            yield url

    def test_a_client_of_somebody_elses(self, door: Door, url: str) -> None:
        client = TusClient(f"{url}/files/tus", headers={"Authorization": f"Bearer {KEY}"})

        sender = client.uploader(file_stream=io.BytesIO(BODY), chunk_size=100_000, metadata={"filename": "a.mov"})
        sender.upload(stop_at=100_000)
        assert door.only().state == "open"
        other = TusClient("").uploader(
            file_stream=io.BytesIO(BODY), url=sender.url, chunk_size=100_000, upload_checksum=True
        )
        assert other.offset == 100_000
        other.upload()

        assert door.bytes_of(door.only()) == BODY
        assert door.only().filename == "a.mov"

    def test_without_a_key_it_may_not_make_one(self, url: str) -> None:
        with pytest.raises(TusCommunicationError):
            TusClient(f"{url}/files/tus").uploader(file_stream=io.BytesIO(BODY), chunk_size=1000).upload()

    def test_what_has_come_of_a_body_that_is_cut_stays(self, door: Door, url: str) -> None:
        told = door.announced(size=len(BODY))
        path = httpx.URL(told["tus_url"]).path
        cut(url + path, "PATCH", len(BODY), BODY[:200_000], {**MORE, "Upload-Offset": "0"})
        here = f"{url}{path}"

        def come() -> int:
            return int(httpx.head(here, headers=TUS).headers["upload-offset"])

        eventually(lambda: come() == 200_000)
        shown = door.ask("GET", f"/v1/uploads/{told['id']}", key=KEY).json()
        assert shown["received_bytes"] == 200_000
        headers = {**MORE, "Upload-Offset": "200000"}
        # What was cut is written first, and let go of a moment later.
        eventually(lambda: httpx.patch(here, headers=headers, content=BODY[200_000:]).status_code == 204)
        assert door.bytes_of(door.only()) == BODY

    def test_what_can_only_be_checked_as_a_whole_goes(self, door: Door, url: str) -> None:
        told = door.announced(size=len(BODY))
        path = httpx.URL(told["tus_url"]).path
        assert httpx.patch(f"{url}{path}", headers={**MORE, "Upload-Offset": "0"}, content=b"12").status_code == 204
        headers = {**MORE, "Upload-Offset": "2", "Upload-Checksum": checksum("sha1", b"")}
        cut(url + path, "PATCH", len(BODY) - 2, BODY[:200_000], headers)
        file = door.parts.files.folder(told["id"]) / "tus"

        eventually(lambda: httpx.patch(f"{url}{path}", headers={**MORE, "Upload-Offset": "2"}).status_code == 204)

        assert file.read_bytes() == b"12"

    def test_a_put_that_is_cut_never_was(self, door: Door, url: str) -> None:
        told = door.announced()
        folder = door.parts.files.folder(told["id"])
        cut(url + httpx.URL(told["url"]).path, "PUT", len(BODY), BODY[:200_000], {})

        eventually(lambda: folder.exists() and not list(folder.iterdir()))
        assert door.only().state == "open"

    def test_two_who_send_the_same_at_once(self, door: Door, url: str) -> None:
        told = door.announced()
        path = httpx.URL(told["url"]).path
        answers: list[int] = []

        def put() -> None:
            answers.append(httpx.put(f"{url}{path}", content=BODY).status_code)

        threads = [threading.Thread(target=put) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert answers == [200] * 4
        done = door.only()
        assert door.bytes_of(done) == BODY
        assert [path.name for path in door.parts.files.folder(done.id).iterdir()] == [str(done.blob).split("/")[-1]]


def cut(url: str, method: str, length: int, sent: bytes, headers: dict[str, str]) -> None:
    """Announce a body, send a part of it as soon as it is waited for, and hang up."""
    at = httpx.URL(url)
    told = {"Host": at.host, "Content-Length": str(length), "Expect": "100-continue", **headers}
    head = f"{method} {at.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()) + "\r\n"
    with socket.create_connection((at.host, at.port or 80)) as connection:
        connection.sendall(head.encode())
        # Its file is held by now: whoever sends more from now on comes after us.
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(sent)
