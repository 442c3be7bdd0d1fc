"""The farm's own blobs keep the same promises in a folder and in a bucket; and what only a bucket has to keep."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from servers.ceph import Gateway
from servers.started import await_port, free_port, running

from framemill.errors import BlobsAway, FarmError
from framemill.storage.access import S3Access
from framemill.storage.blobs import Blobs, BucketAt, Home, blobs_at
from framemill.storage.bucket import Bucket
from framemill.storage.s3blobs import S3Blobs

KEY, FACTS = "chunks/a.mp4", "chunks/a.json"
DATA = b"these are the bytes of a chunk"


@pytest.fixture
def in_ceph(gateway: Gateway) -> S3Access:
    key, secret = gateway.access_key_id, gateway.secret_access_key
    return S3Access(access_key_id=key, secret_access_key=secret, endpoint=gateway.endpoint)


@pytest.fixture
def in_moto(moto: str) -> S3Access:
    return S3Access(access_key_id="test", secret_access_key="test", endpoint=moto)  # noqa: S106


STORES = ("in_moto", pytest.param("in_ceph", marks=pytest.mark.servers))


@pytest.fixture(params=STORES)
def access(request: pytest.FixtureRequest) -> S3Access:
    """A store that is S3, or speaks like it."""
    found: S3Access = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def at(access: S3Access) -> BucketAt:
    return new_bucket(access)


def new_bucket(access: S3Access) -> BucketAt:
    name = f"farm-{uuid.uuid4().hex}"
    client_of(access).create_bucket(Bucket=name)
    return BucketAt(name=name, prefix="one/", access=access)


def client_of(access: S3Access) -> Any:
    key, secret = access.access_key_id, access.secret_access_key
    return boto3.client("s3", endpoint_url=access.endpoint, aws_access_key_id=key, aws_secret_access_key=secret)


Machine = Callable[[str], S3Blobs]


@pytest.fixture
def machine(at: BucketAt, tmp_path: Path) -> Machine:
    """Machines that share it, each with folders of its own."""

    def made(name: str) -> S3Blobs:
        return S3Blobs(Home(root=tmp_path / name / "blobs", work=tmp_path / name / "work", bucket=at))

    return made


@pytest.fixture(params=["folder", *STORES])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    bucket = None if request.param == "folder" else new_bucket(request.getfixturevalue(request.param))
    return blobs_at(Home(root=tmp_path / "blobs", work=tmp_path / "work", bucket=bucket))


def facts_of(data: bytes, **more: object) -> bytes:
    return json.dumps({"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}).encode()


def commit(blobs: Blobs, data: bytes = DATA, **more: object) -> bytes:
    draft = blobs.draft(KEY)
    draft.write_bytes(data)
    return blobs.commit(draft, KEY, FACTS, facts_of(data, **more))


def digest(data: bytes = DATA) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()


class TestTheSameEverywhere:
    """In a folder, and in a bucket."""

    def test_a_blob_is_written_and_read(self, blobs: Blobs) -> None:
        assert not blobs.has("titles/a.json")
        blobs.write("titles/a.json", b"plan")
        assert blobs.has("titles/a.json")
        assert blobs.read("titles/a.json") == b"plan"
        assert blobs.path("titles/a.json").read_bytes() == b"plan"

    def test_it_may_be_written_again(self, blobs: Blobs) -> None:
        blobs.write("sources/a.json", b"then")
        blobs.write("sources/a.json", b"now")
        assert blobs.read("sources/a.json") == b"now"

    def test_what_is_not_there_is_not_read(self, blobs: Blobs) -> None:
        with pytest.raises(FileNotFoundError):
            blobs.read(KEY)
        with pytest.raises(FileNotFoundError):
            blobs.read("titles/a.json")

    def test_a_draft_is_no_blob_until_it_is_committed(self, blobs: Blobs) -> None:
        draft = blobs.draft(KEY)
        draft.write_bytes(DATA)
        assert (blobs.has(KEY), blobs.lost([KEY]), blobs.names("chunks")) == (False, [KEY], [])
        assert blobs.commit(draft, KEY, FACTS, facts_of(DATA)) == facts_of(DATA)
        assert (blobs.read(KEY), blobs.read(FACTS), blobs.lost([KEY, FACTS])) == (DATA, facts_of(DATA), [])
        assert not draft.exists()

    def test_of_two_that_write_the_same_both_are_content(self, blobs: Blobs) -> None:
        assert commit(blobs) == commit(blobs) == facts_of(DATA)
        assert blobs.same(KEY, *digest())

    def test_other_bytes_are_seen(self, blobs: Blobs) -> None:
        commit(blobs)
        assert not blobs.same(KEY, *digest(b"others"))
        assert not blobs.same(KEY, len(DATA) + 1, digest()[1])
        assert not blobs.same("chunks/none.mp4", *digest())

    def test_what_is_removed_is_gone(self, blobs: Blobs) -> None:
        commit(blobs)
        blobs.remove(KEY)
        blobs.remove(KEY)
        assert (blobs.has(KEY), blobs.lost([KEY, FACTS])) == (False, [KEY])

    def test_names_are_told_by_kind_and_beginning(self, blobs: Blobs) -> None:
        for key in ("titles/a-1.json", "titles/a-2.json", "titles/b-1.json", "fetched/x/film.mp4", "results/a-1.json"):
            blobs.write(key, b"{}")
        assert sorted(blobs.names("titles")) == ["a-1.json", "a-2.json", "b-1.json"]
        assert sorted(blobs.names("titles", "a-")) == ["a-1.json", "a-2.json"]
        assert blobs.names("fetched") == ["x"]
        assert blobs.names("nothing") == []

    def test_a_file_that_is_the_operators_is_looked_at_where_it_is(self, blobs: Blobs, tmp_path: Path) -> None:
        film = tmp_path / "film.mp4"
        assert blobs.size_of(film) is None
        film.write_bytes(b"12345")
        blobs.share(film)
        blobs.bring_files(film)
        assert blobs.size_of(film) == 5

    def test_they_will_do(self, blobs: Blobs) -> None:
        blobs.root.mkdir(parents=True, exist_ok=True)
        blobs.check()
        assert not blobs.away()


class TestSeveralMachines:
    """The bucket is the truth; folders may go at any time."""

    def test_what_one_has_committed_is_brought_to_the_other(self, machine: Machine) -> None:
        one, other = machine("one"), machine("other")
        commit(one)
        assert (other.has(KEY), other.lost([KEY, FACTS])) == (False, [])
        assert other.same(KEY, *digest())
        other.bring([KEY, FACTS, "chunks/none.mp4"])
        assert other.path(KEY).read_bytes() == DATA
        assert not other.has("chunks/none.mp4")
        assert [path.name for path in other.root.rglob(".*")] == []

    def test_a_folder_that_was_lost_is_no_loss(self, machine: Machine) -> None:
        one = machine("one")
        commit(one)
        one.write("titles/t.json", b"plan")
        shutil.rmtree(one.root)
        assert one.read("titles/t.json") == b"plan"
        assert one.lost([KEY, FACTS, "titles/t.json"]) == []
        one.bring([KEY])
        assert one.read(KEY) == DATA

    def test_the_first_commit_that_is_valid_stays(self, machine: Machine) -> None:
        """A hardware encoder writes other bytes each time: joined are those that everybody has been told of."""
        one, other = machine("one"), machine("other")
        told = commit(one, b"first", by="one")
        assert commit(other, b"second", by="other") == told
        other.bring([KEY])
        assert other.read(KEY) == b"first"
        assert other.same(KEY, *digest(b"first"))

    def test_a_commit_that_was_cut_off_is_no_commit(self, machine: Machine) -> None:
        """Its bytes are there, and nobody has written down what they are."""
        one, other = machine("one"), machine("other")
        commit(one, b"first")
        one.forget([FACTS])
        assert commit(other, b"second") == facts_of(b"second")
        shutil.rmtree(one.root)
        one.bring([KEY])
        assert one.read(KEY) == b"second"

    def test_a_copy_that_rots_is_brought_again(self, machine: Machine) -> None:
        one = machine("one")
        commit(one)
        one.path(KEY).write_bytes(DATA[:-1] + b"?")
        assert one.same(KEY, *digest())
        one.bring([KEY])
        assert one.read(KEY) == DATA

    def test_bytes_that_rot_in_the_bucket_are_not_taken(self, machine: Machine, at: BucketAt) -> None:
        one, other = machine("one"), machine("other")
        commit(one)
        told = {"sha256": digest()[1]}
        client_of(at.access).put_object(Bucket=at.name, Key=f"one/{KEY}", Body=b"rotten" * 5, Metadata=told)
        with pytest.raises(BlobsAway, match="other bytes"):
            other.bring([KEY])
        assert not other.has(KEY)

    def test_plans_are_asked_for_anew(self, machine: Machine) -> None:
        """Somebody else has read the same source elsewhere: where it lay before, it lies no more."""
        one, other = machine("one"), machine("other")
        one.write("sources/s.json", b"then")
        other.write("sources/s.json", b"now")
        assert one.read("sources/s.json") == b"now"

    def test_sources_and_outputs_are_shared_as_files(self, machine: Machine) -> None:
        one, other = machine("one"), machine("other")
        source, output = Path("fetched/i/film.mp4"), Path("j/1/o")
        for path, data in ((one.root / source, b"film"), (one.path("work/j/1/o/a/1.m4s"), b"seg")):
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
        growing = one.path("work/j/1/.live-o/1.m4s")
        growing.parent.mkdir()
        growing.write_bytes(b"half")
        one.share(one.root / source, one.path(f"work/{output}"))
        one.share(one.path("work/j/1"))

        assert other.size_of(other.root / source) == 4
        other.bring_files(other.root / source, other.path(f"work/{output}"))
        assert (other.root / source).read_bytes() == b"film"
        assert other.path("work/j/1/o/a/1.m4s").read_bytes() == b"seg"
        assert [held.key for held in other.held("work")] == ["work/j/1/o/a/1.m4s"]

    def test_an_attempt_is_forgotten_apart_from_the_others(self, machine: Machine) -> None:
        one = machine("one")
        for attempt in (1, 2, 12):
            path = one.path(f"work/j/{attempt}/o/film.mp4")
            path.parent.mkdir(parents=True)
            path.write_bytes(b"film")
            one.share(path)
        one.unshare(one.path("work/j/1"))
        assert [held.key for held in one.held("work")] == ["work/j/12/o/film.mp4", "work/j/2/o/film.mp4"]
        one.unshare(one.path("work/j"), but=one.path("work/j/2"))
        assert [held.key for held in one.held("work")] == ["work/j/2/o/film.mp4"]

    def test_what_clients_have_put_there_is_not_put_again(self, machine: Machine, at: BucketAt) -> None:
        one = machine("one")
        path = one.root / "uploads/u/body-1"
        sent = httpx.put(one.bucket.put_link("uploads/u/body-1", 60, 4), content=b"film")
        assert sent.status_code == 200, sent.text
        before = one.bucket.head("uploads/u/body-1")
        one.bring_files(path)
        one.share(path)
        assert path.read_bytes() == b"film"
        assert one.bucket.head("uploads/u/body-1") == before

    def test_a_source_that_was_replaced_is_not_taken(self, machine: Machine) -> None:
        """Its owner still has the link that it was sent by; chunks are kept by the hash of what was read first."""
        one, read = machine("one"), hashlib.sha256(b"film").hexdigest()
        path = one.root / "uploads/u/body-sent"
        httpx.put(one.bucket.put_link("uploads/u/body-sent", 60, None), content=b"evil")
        one.bring_files(path, sha256=read)
        assert not path.exists()
        httpx.put(one.bucket.put_link("uploads/u/body-sent", 60, None), content=b"film")
        one.bring_files(path, sha256=read)
        assert path.read_bytes() == b"film"


class TestTheBucket:
    def test_it_is_refused_where_it_is_not(self, at: BucketAt) -> None:
        with pytest.raises(FarmError, match="FRAMEMILL_BLOBS_URL"):
            Bucket(at.model_copy(update={"name": "there-is-none-such"})).check()

    def test_nobody_there_is_told(self, at: BucketAt) -> None:
        access = at.access.model_copy(update={"endpoint": f"http://127.0.0.1:{free_port()}"})
        gone = Bucket(at.model_copy(update={"access": access}))
        assert "cannot be reached" in gone.answers()
        with pytest.raises(BlobsAway):
            gone.get_bytes("a")

    def test_listings_are_read_to_their_end(self, at: BucketAt) -> None:
        bucket = Bucket(at, most_at_once=3)
        keys = [f"chunks/{number}" for number in range(8)]
        for key in keys:
            bucket.put_bytes(key, b"")
        assert [held.key for held in bucket.below("chunks/")] == keys
        assert len(bucket.names("chunks/")) == 8
        bucket.remove(keys)
        assert list(bucket.below("")) == []

    def test_parts_are_put_together(self, at: BucketAt) -> None:
        bucket, data = Bucket(at), bytes(5 << 20)
        upload = bucket.begin_parts("uploads/u/body", "video/mp4")
        for number, part in ((2, b"end"), (1, data)):
            assert httpx.put(bucket.part_link("uploads/u/body", upload, number, 60), content=part).status_code == 200
        come = bucket.parts("uploads/u/body", upload)
        assert [(part.number, part.size) for part in come] == [(1, len(data)), (2, 3)]
        bucket.end_parts("uploads/u/body", upload, come)
        found = bucket.head("uploads/u/body")
        assert found is not None
        assert found.size == len(data) + 3
        assert bucket.parts("uploads/u/body", upload) == []

    def test_links_say_what_the_file_is_called(self, at: BucketAt) -> None:
        bucket = Bucket(at)
        bucket.put_bytes("a", b"film")
        link = bucket.link(
            "a", 60, content_type="video/mp4", disposition='attachment; filename="f.mp4"', cache_control="no-cache"
        )
        got = httpx.get(link)
        assert (got.content, got.headers["content-type"]) == (b"film", "video/mp4")
        assert got.headers["content-disposition"] == 'attachment; filename="f.mp4"'


def test_a_store_that_ignores_conditions_is_refused(tmp_path: Path) -> None:
    """It takes what is put, whatever is there: two encodes of a chunk would overwrite each other."""
    port, log = free_port(), tmp_path / "log"
    with running(["python", "-c", CARELESS, str(port)], log) as process:
        await_port(port, process, log)
        access = S3Access(access_key_id="k", secret_access_key="s", endpoint=f"http://127.0.0.1:{port}")  # noqa: S106
        with pytest.raises(FarmError, match="If-None-Match"):
            Bucket(BucketAt(name="b", access=access)).check()


CARELESS = """
import http.server, sys
kept = {}
class Store(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body=b"", status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(body)
    def do_PUT(self):
        kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer()
    def do_GET(self):
        self.answer(kept.get(self.path, b""))
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b"<DeleteResult/>")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Store).serve_forever()
"""
