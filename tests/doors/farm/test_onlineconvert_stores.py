"""online-convert's cloud storage through a real farm: from store to store, by a stand-in of each."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import av
import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from doors.around import S3, DoorFarm
from doors.farm.test_onlineconvert_farm import Client
from servers.azurite import running_azurite
from servers.ftp import PASSWORD, USER, ftp_server
from servers.gcs import running_gcs


class Store(NamedTuple):
    """A store, but for the file in it."""

    kind: str
    parameters: dict[str, Any]
    credentials: dict[str, Any]

    def at(self, file: str) -> dict[str, Any]:
        """What leads to a file in it."""
        return {"parameters": {**self.parameters, "file": file}, "credentials": self.credentials}


@pytest.fixture
def client(farm: DoorFarm, http: httpx.Client) -> Client:
    return Client(http, farm.customer())


def s3_store(s3: S3, bucket: str) -> Store:
    where = {"bucket": bucket, "region": s3.region, "endpoint": s3.endpoint}
    return Store("amazons3", where, {"accesskeyid": s3.key, "secretaccesskey": s3.secret})


def carried(client: Client, source: Store, target: Store, file: str) -> None:
    """A film is made smaller on its way from `in/film.mov` in one store to that file in another."""
    asked = {
        "target": "mp4",
        "options": {"width": 320, "height": 180},
        "output_target": [{"type": target.kind, **target.at(file)}],
    }
    wanted = [{"type": "cloud", "source": source.kind, **source.at("in/film.mov")}]
    done = client.reached(client.made(asked, input=wanted)["id"], "completed")
    (told,) = done["conversion"][0]["output_target"]
    assert (told["status"], told["credentials"]) == ("completed", {})
    assert told["parameters"] == target.at(file)["parameters"]
    assert (done["output"], done["input"][0]["credentials"]) == ([], {})
    secrets = _secrets(source.credentials) | _secrets(target.credentials)
    assert secrets
    assert not any(secret in json.dumps(done) for secret in secrets)


def _secrets(credentials: dict[str, Any]) -> set[str]:
    """What nobody is told."""
    keyfile = credentials.get("keyfile")
    inner = json.loads(keyfile) if isinstance(keyfile, str) else keyfile or {}
    names = ("secretaccesskey", "accountkey", "password", "private_key")
    return {str(value)[:40] for name, value in {**credentials, **inner}.items() if name in names}


def assert_small(film: bytes) -> None:
    with av.open(io.BytesIO(film), "r") as container:
        assert container.streams.video[0].width == 320


def test_from_ftp_to_google_and_on_to_amazon(client: Client, s3: S3, short_film: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "film.mov").write_bytes(short_film.read_bytes())
    bucket = s3.bucket()
    amazon = s3_store(s3, bucket)
    amazon.parameters["acl"] = "public-read"
    with ftp_server(tmp_path) as server, running_gcs() as gcs:
        gcs.make_bucket("films")
        ftp = Store("ftp", {"host": "127.0.0.1", "port": server.port}, {"username": USER, "password": PASSWORD})
        where = {"projectid": "project", "bucket": "films", "endpoint": gcs.endpoint}
        carried(client, ftp, Store("googlecloud", where, {"keyfile": gcs.keyfile}), "in/film.mov")
        assert gcs.objects("films") == ["in/film.mov"]
        as_text = Store("googlecloud", where, {"keyfile": json.dumps(gcs.keyfile)})
        carried(client, as_text, amazon, "out/film.mp4")
    assert s3.keys(bucket) == ["out/film.mp4"]
    assert_small(s3.get(bucket, "out/film.mp4"))
    grants = s3.client.get_object_acl(Bucket=bucket, Key="out/film.mp4")["Grants"]
    assert "READ" in {one["Permission"] for one in grants}


@pytest.mark.servers
def test_from_amazon_to_azure_and_back(client: Client, s3: S3, short_film: Path, tmp_path: Path) -> None:
    bucket = s3.bucket()
    s3.put(bucket, {"in/film.mov": short_film.read_bytes()})
    with running_azurite(tmp_path) as server:
        keys = {"account_name": server.account, "account_key": server.key}
        with BlobServiceClient(server.endpoint, credential=keys) as blobs:
            blobs.create_container("films")
        where = {"container": "films", "endpoint": server.endpoint}
        azure = Store("azure", where, {"accountname": server.account, "accountkey": server.key})
        carried(client, s3_store(s3, bucket), azure, "in/film.mov")
        carried(client, azure, s3_store(s3, bucket), "out/film.mp4")
    assert_small(s3.get(bucket, "out/film.mp4"))


def test_of_several_inputs_each_has_a_name_of_its_own_there(client: Client, s3: S3, short_src: str) -> None:
    bucket = s3.bucket()
    target = {"type": "amazons3", **s3_store(s3, bucket).at("out/film.mp4")}
    inputs = [{"type": "remote", "source": f"{short_src}?{n}"} for n in range(3)]
    made = client.made({"target": "mp4", "output_target": [target]}, input=inputs)
    client.reached(made["id"], "completed")
    assert s3.keys(bucket) == ["out/film (2).mp4", "out/film (3).mp4", "out/film.mp4"]


def test_a_package_is_put_where_it_is_wanted(client: Client, s3: S3, short_src: str) -> None:
    bucket = s3.bucket()
    asked = {
        "target": "hls",
        "options": {"allow_multiple_outputs": True, "width": 320, "height": 180},
        "output_target": [{"type": "amazons3", **s3_store(s3, bucket).at("out/film")}],
    }
    client.reached(client.made(asked, source=short_src)["id"], "completed")
    assert "out/film/master.m3u8" in s3.keys(bucket)
    assert any(key.endswith(".ts") for key in s3.keys(bucket))
