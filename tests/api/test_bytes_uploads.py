"""Uploads over HTTP: announced with a key, sent by a link, put together, used once and given up."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from front_door import KEY, FrontDoor

from framemill.jobs.uploads import Upload
from framemill.services.fileplace import FilePlace
from framemill.store import uploads as upload_rows
from framemill.store.database import Database

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(BODY).hexdigest()


class Door(FrontDoor):
    """The whole of the farm's HTTP, asked without a socket."""

    def ask(self, method: str, url: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {**({} if key is None else {"Authorization": f"Bearer {key}"}), **more.pop("headers", {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.whole)
            async with httpx.AsyncClient(transport=transport, base_url="http://farm.example") as client:
                return await client.request(method, url, headers=headers, **more)

        return asyncio.run(ask())

    def announced(self, **asked: Any) -> dict[str, Any]:
        answer = self.ask("POST", "/v1/uploads", key=KEY, json={"filename": "film.mov", **asked})
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"http://farm.example/v1/uploads/{told['id']}"
        return told

    def shown(self, upload_id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/v1/uploads/{upload_id}", key=KEY)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def files(self, upload_id: str) -> list[Path]:
        folder = self.parts.files.folder(upload_id)
        return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []

    def stored(self, upload_id: str) -> Upload:
        with self.database.reading() as conn:
            found = upload_rows.load_upload(conn, upload_id)
        assert found is not None
        return found

    def limited(self, **bounds: Any) -> "Door":
        """The same door with other bounds."""
        other = Door(self.database)
        place = self.parts.files
        known = {name: getattr(place, name) for name in FilePlace.__dataclass_fields__}
        object.__setattr__(other.parts, "files", FilePlace(**{**known, **bounds}))
        return other


@pytest.fixture
def door(database: Database) -> Door:
    return Door(database)


async def chunks(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


class TestOneBody:
    def test_it_is_sent_by_its_link_and_completed_then(self, door: Door) -> None:
        told = door.announced(size=len(BODY), content_type="video/quicktime", metadata={"mine": 1})
        assert (told["state"], told["protocol"], told["parts"]) == ("open", "put", [])
        assert told["url"].startswith("http://farm.example/files/uploads/")

        answer = door.ask("PUT", told["url"], content=BODY)

        assert answer.status_code == 200, answer.text
        assert answer.json()["sha256"] == SHA256
        shown = door.shown(told["id"])
        assert (shown["state"], shown["size_bytes"], shown["received_bytes"]) == ("completed", len(BODY), len(BODY))
        assert (shown["sha256"], shown["url"], shown["metadata"]) == (SHA256, None, {"mine": 1})
        (file,) = door.files(told["id"])
        assert file.read_bytes() == BODY
        assert door.stored(told["id"]).blob == str(file)

    def test_in_chunks_without_a_length(self, door: Door) -> None:
        told = door.announced()

        answer = door.ask("PUT", told["url"], content=chunks(BODY[:100_000], b"", BODY[100_000:]))

        assert answer.json()["sha256"] == SHA256
        assert door.files(told["id"])[0].read_bytes() == BODY

    def test_sent_again_it_has_to_be_the_same(self, door: Door) -> None:
        told = door.announced()
        door.ask("PUT", told["url"], content=BODY)

        same, other = (door.ask("PUT", told["url"], content=body) for body in (BODY, BODY[1:]))

        assert same.status_code == 200
        assert code(other) == (409, "conflict")
        assert len(door.files(told["id"])) == 1
        assert door.files(told["id"])[0].read_bytes() == BODY

    def test_another_size_than_announced_is_refused_before_it_comes(self, door: Door) -> None:
        told = door.announced(size=10)

        async def never() -> AsyncIterator[bytes]:
            raise AssertionError("the body was read")
            yield b""

        answer = door.ask("PUT", told["url"], content=never(), headers={"Content-Length": "9"})

        assert code(answer) == (422, "wrong_use")
        assert door.files(told["id"]) == []

    @pytest.mark.parametrize("sent", [b"123456789", b"12345678901"])
    def test_another_size_without_a_length_is_noticed_when_it_has_come(self, door: Door, sent: bytes) -> None:
        told = door.announced(size=10)

        answer = door.ask("PUT", told["url"], content=chunks(sent))

        assert answer.status_code in {413, 422}
        assert door.files(told["id"]) == []
        assert door.shown(told["id"])["state"] == "open"

    def test_a_body_that_changed_on_its_way_is_dropped(self, door: Door) -> None:
        told = door.announced()
        wrong = {"Content-Digest": "sha-256=:AAAA:"}

        answer = door.ask("PUT", told["url"], content=BODY, headers=wrong)

        assert code(answer) == (422, "wrong_use")
        assert "sha256" in answer.json()["error"]["message"]
        assert door.files(told["id"]) == []

    def test_with_its_digest_it_is_checked(self, door: Door) -> None:
        told = door.announced()
        md5 = "Content-MD5", "n5rYDsnEE0QTmrZv7ql0Rg=="
        right = hashlib.md5(BODY, usedforsecurity=False).digest()
        answer = door.ask("PUT", told["url"], content=BODY, headers={md5[0]: base64.b64encode(right).decode()})

        assert answer.status_code == 200, answer.text
        assert door.stored(told["id"]).md5 == right.hex()
        again = door.announced()
        assert code(door.ask("PUT", again["url"], content=BODY, headers=dict([md5]))) == (422, "wrong_use")

    @pytest.mark.parametrize(
        ("headers", "status"),
        [({"Content-Range": "bytes 0-1/5"}, 400), ({"Content-Encoding": "gzip"}, 415), ({"Content-Length": "x"}, 422)],
    )
    def test_a_body_that_is_not_the_file_as_it_is(self, door: Door, headers: dict[str, str], status: int) -> None:
        told = door.announced()

        assert door.ask("PUT", told["url"], content=b"12", headers=headers).status_code == status
        assert door.files(told["id"]) == []

    def test_an_empty_file(self, door: Door) -> None:
        told = door.announced(size=0)

        assert door.ask("PUT", told["url"], content=b"").status_code == 200
        assert door.shown(told["id"])["size_bytes"] == 0


class TestBounds:
    def test_more_than_the_farm_takes(self, door: Door) -> None:
        small = door.limited(upload_bytes=100)

        announced = small.ask("POST", "/v1/uploads", key=KEY, json={"filename": "a", "size": 101})
        assert code(announced) == (413, "too_large")
        assert announced.json()["error"]["param"] == "size"
        told = small.announced()
        assert code(small.ask("PUT", told["url"], content=b"x" * 101)) == (413, "too_large")
        assert code(small.ask("PUT", told["url"], content=chunks(b"x" * 60, b"x" * 60))) == (413, "too_large")
        assert small.files(told["id"]) == []

    def test_a_proxy_that_holds_bodies_is_named(self, door: Door) -> None:
        behind = door.limited(body_bytes=100)
        told = behind.announced(size=1000)

        answer = behind.ask("PUT", told["url"], content=b"x" * 1000)

        assert code(answer) == (413, "too_large")
        assert "Python proxy" in answer.json()["error"]["message"]

    def test_a_disk_that_is_nearly_full(self, door: Door) -> None:
        full = door.limited(min_free_bytes=1 << 60)
        told = full.announced()

        answer = full.ask("PUT", told["url"], content=BODY)

        assert code(answer) == (503, "disk_full")
        assert "FRAMEMILL_MIN_FREE_BYTES" in answer.json()["error"]["message"]
        assert "retry-after" in answer.headers
        assert full.files(told["id"]) == []


class TestParts:
    def test_in_any_order_and_again(self, door: Door) -> None:
        told = door.announced(multipart=True)
        assert (told["url"], told["tus_url"]) == (None, None)
        url = told["part_url"]
        etags = {}
        for number, body in ((3, b"c"), (1, b"wrong"), (2, b"bb"), (1, b"aaa")):
            answer = door.ask("PUT", url.format(number=number), content=body)
            assert answer.status_code == 200, answer.text
            assert answer.headers["etag"] == f'"{hashlib.sha256(body).hexdigest()}"'
            etags[number] = answer.headers["etag"]
        shown = door.shown(told["id"])
        assert [(part["number"], part["size_bytes"]) for part in shown["parts"]] == [(1, 3), (2, 2), (3, 1)]
        assert shown["received_bytes"] == 6
        assert len(door.files(told["id"])) == 3

        given = [{"number": number, "etag": etag} for number, etag in etags.items()]
        done = door.ask("POST", f"/v1/uploads/{told['id']}/complete", key=KEY, json={"parts": given})

        assert done.status_code == 200, done.text
        assert (done.json()["state"], done.json()["size_bytes"]) == ("completed", 6)
        (file,) = door.files(told["id"])
        assert file.read_bytes() == b"aaabbc"
        again = door.ask("POST", f"/v1/uploads/{told['id']}/complete", key=KEY)
        assert again.json() == done.json()

    def test_parts_of_a_known_size_are_told_before(self, door: Door) -> None:
        size = (20 << 20) + 5
        told = door.announced(multipart=True, size=size)

        assert told["part_bytes"] == 8 << 20
        assert [part["size_bytes"] for part in told["parts"]] == [8 << 20, 8 << 20, (4 << 20) + 5]
        assert told["parts"][1]["url"] == told["part_url"].format(number=2)
        answer = door.ask("PUT", told["parts"][2]["url"], content=b"x" * ((8 << 20) + 1))
        assert code(answer) == (413, "too_large")

    def test_a_part_that_is_missing_or_another(self, door: Door) -> None:
        told = door.announced(multipart=True)
        complete = f"/v1/uploads/{told['id']}/complete"
        assert code(door.ask("POST", complete, key=KEY)) == (409, "conflict")
        for number in (1, 3):
            door.ask("PUT", told["part_url"].format(number=number), content=b"x")

        gap = door.ask("POST", complete, key=KEY)
        wrong = door.ask("POST", complete, key=KEY, json={"parts": [{"number": 1, "etag": "no"}]})
        twice = door.ask("POST", complete, key=KEY, json={"parts": [{"number": 1}, {"number": 1}]})

        assert code(gap) == (409, "conflict")
        assert "part 2 has not come" in gap.json()["error"]["message"]
        assert code(wrong) == (422, "wrong_use")
        assert code(twice) == (422, "wrong_use")
        chosen = door.ask("POST", complete, key=KEY, json={"parts": [{"number": 1}, {"number": 3}]})
        assert chosen.json()["size_bytes"] == 2

    def test_a_sum_that_was_not_announced(self, door: Door) -> None:
        told = door.announced(multipart=True, size=5)
        door.ask("PUT", told["part_url"].format(number=1), content=b"four")

        answer = door.ask("POST", f"/v1/uploads/{told['id']}/complete", key=KEY)

        assert code(answer) == (422, "wrong_use")

    def test_each_kind_to_its_own_links(self, door: Door) -> None:
        whole, parts = door.announced(), door.announced(multipart=True)

        assert code(door.ask("PUT", f"{whole['url']}/parts/1", content=b"x")) == (409, "conflict")
        whole_of_parts = parts["part_url"].removesuffix("/parts/{number}")
        assert code(door.ask("PUT", whole_of_parts, content=b"x")) == (409, "conflict")
        assert code(door.ask("PUT", parts["part_url"].format(number=0), content=b"x")) == (422, "wrong_use")
        assert code(door.ask("POST", f"/v1/uploads/{whole['id']}/complete", key=KEY)) == (409, "conflict")


class TestWho:
    def test_a_link_that_nobody_signed(self, door: Door) -> None:
        told = door.announced()
        forged = told["url"][:-3] + "abc"

        assert code(door.ask("PUT", forged, content=b"x")) == (401, "key_refused")
        assert door.ask("PUT", "/files/uploads/x", content=b"x").status_code == 401
        assert door.ask("POST", "/v1/uploads", json={"filename": "a"}).status_code == 401

    def test_a_link_to_read_is_none_to_write(self, door: Door) -> None:
        token = door.parts.seals.signed("output", ["x", 4_000_000_000])

        assert code(door.ask("PUT", f"/files/uploads/{token}", content=b"x")) == (401, "key_refused")

    def test_what_was_given_up_is_gone(self, door: Door) -> None:
        told = door.announced()
        door.ask("PUT", told["url"], content=BODY)

        gone = door.ask("DELETE", f"/v1/uploads/{told['id']}", key=KEY)

        assert gone.status_code == 204
        assert door.files(told["id"]) == []
        assert door.shown(told["id"])["state"] == "aborted"
        assert code(door.ask("PUT", told["url"], content=BODY)) == (404, "not_found")
        assert door.ask("DELETE", f"/v1/uploads/{told['id']}", key=KEY).status_code == 204
        assert code(door.ask("DELETE", "/v1/uploads/nothing", key=KEY)) == (404, "not_found")

    def test_what_nobody_finished_in_time_is_refused(self, door: Door) -> None:
        told = door.announced()
        with door.database.writing() as conn:
            late = door.stored(told["id"]).model_copy(update={"expires_at": datetime.now(UTC) - timedelta(seconds=1)})
            upload_rows.save_upload(conn, late)

        assert code(door.ask("PUT", told["url"], content=b"x")) == (403, "link_expired")

    def test_lists_go_on_where_they_ended(self, door: Door) -> None:
        made = [door.announced()["id"] for _ in range(3)]

        first = door.ask("GET", "/v1/uploads?limit=2", key=KEY).json()
        rest = door.ask("GET", f"/v1/uploads?limit=2&cursor={first['next_cursor']}", key=KEY).json()

        assert [one["id"] for one in (*first["data"], *rest["data"])] == made[::-1]
        assert rest["next_cursor"] is None

    @pytest.mark.parametrize("filename", ["", ".", "..", "/", "a/..", "\x00", "x" * 256])
    def test_a_name_that_is_none(self, door: Door, filename: str) -> None:
        assert door.ask("POST", "/v1/uploads", key=KEY, json={"filename": filename}).status_code == 422

    def test_a_name_loses_its_folders(self, door: Door) -> None:
        assert door.announced(filename="C:\\films\\a b.mov")["filename"] == "a b.mov"
        assert door.announced(filename="../../etc/passwd")["filename"] == "passwd"

    def test_any_page_may_use_a_link(self, door: Door) -> None:
        told = door.announced()
        asks = {"Origin": "https://page.example", "Access-Control-Request-Method": "PUT"}

        preflight = door.ask("OPTIONS", told["url"], headers={**asks, "Access-Control-Request-Headers": "content-type"})
        sent = door.ask("PUT", told["url"], content=b"x", headers={"Origin": "https://page.example"})

        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        assert sent.headers["access-control-allow-origin"] == "*"
        assert "ETag" in sent.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in sent.headers
