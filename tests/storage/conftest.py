"""Places in real stores, one of each kind: the contract's tests run in all of them."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from botocore.client import BaseClient
from servers.azurite import Azurite, running_azurite
from servers.ceph import Gateway, running_gateway
from servers.moto import running_moto
from storage.places import PATIENCE, Place

from framemill.storage.access import AzureAccess, DriveAccess, FtpAccess, GcsAccess, S3Access, SftpAccess
from framemill.storage.address import address_of
from framemill.storage.s3client import client_of


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    with running_gateway() as running:
        yield running


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running_azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def in_folder(tmp_path: Path) -> Place:
    return Place(address_of(f"{tmp_path}/store/"))


@pytest.fixture
def in_moto(moto: str) -> Place:
    return _bucket(S3Access(access_key_id="any", secret_access_key="any", endpoint=moto))  # noqa: S106


@pytest.fixture
def in_ceph(gateway: Gateway) -> Place:
    key, secret = gateway.access_key_id, gateway.secret_access_key
    return _bucket(S3Access(access_key_id=key, secret_access_key=secret, endpoint=gateway.endpoint))


@pytest.fixture
def in_azurite(azurite: Azurite) -> Place:
    name = f"box-{uuid.uuid4().hex[:12]}"
    with BlobServiceClient(azurite.endpoint, credential=azurite.key) as client:
        client.create_container(name)
    access = AzureAccess(account=azurite.account, key=azurite.key, endpoint=azurite.endpoint)
    return Place(address_of(f"az://{name}/"), access)


@pytest.fixture(scope="session")
def gcs() -> Iterator[Any]:
    from servers.gcs import running_gcs  # noqa: PLC0415 - it takes an extra, as some of those below

    with running_gcs() as running:
        yield running


@pytest.fixture
def in_gcs(gcs: Any) -> Place:
    name = f"box-{uuid.uuid4().hex[:12]}"
    gcs.make_bucket(name)
    return Place(address_of(f"gs://{name}/"), GcsAccess(keyfile=gcs.keyfile, endpoint=gcs.endpoint))


@pytest.fixture
def in_drive() -> Iterator[Place]:
    from servers.drive import ROOT, TOKEN, running_drive  # noqa: PLC0415

    with running_drive() as running:
        yield Place(address_of(f"gdrive://{ROOT}/"), DriveAccess(token=TOKEN, base_url=running.endpoint))


@pytest.fixture
def in_ftp(tmp_path: Path) -> Iterator[Place]:
    from servers.ftp import PASSWORD, USER, ftp_server  # noqa: PLC0415

    (tmp_path / "served").mkdir()
    with ftp_server(tmp_path / "served") as running:
        yield Place(address_of(f"ftp://127.0.0.1:{running.port}/"), FtpAccess(user=USER, password=PASSWORD))


@pytest.fixture
def in_sftp(tmp_path: Path) -> Iterator[Place]:
    from servers.sftp import asyncssh_server  # noqa: PLC0415

    with asyncssh_server(tmp_path) as running:
        access = SftpAccess(user=running.user, private_key=running.private_key, host_key=running.host_key)
        yield Place(address_of(f"sftp://127.0.0.1:{running.port}/"), access)


@pytest.fixture
def in_openssh(tmp_path: Path) -> Iterator[Place]:
    from servers.sftp import openssh  # noqa: PLC0415

    with openssh(tmp_path) as running:
        access = SftpAccess(user=running.user, private_key=running.private_key, host_key=running.host_key)
        yield Place(address_of(f"sftp://127.0.0.1:{running.port}{running.path}/"), access)


def _bucket(access: S3Access) -> Place:
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client: BaseClient = client_of(access, None, PATIENCE)
    client.create_bucket(Bucket=name)
    client.close()
    return Place(address_of(f"s3://{name}/"), access)


@pytest.fixture
def made(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes a local file."""

    def make(content: bytes) -> Path:
        path = tmp_path / f"source-{uuid.uuid4().hex[:8]}.mp4"
        path.write_bytes(content)
        return path

    return make
