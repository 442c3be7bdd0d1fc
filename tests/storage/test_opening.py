"""Which store an address opens, and with what."""

import subprocess
import sys

import pytest

from framemill.errors import WrongUse
from framemill.storage.access import FtpAccess, HttpAccess, S3Access
from framemill.storage.address import address_of
from framemill.storage.files import FileStore
from framemill.storage.opening import opened
from framemill.storage.s3 import S3Store
from framemill.storage.web import WebStore

WITHOUT = """
import sys
sys.modules[{library!r}] = None
from framemill.errors import StorageRefused
from framemill.storage.address import address_of
from framemill.storage.opening import opened
try:
    opened(address_of({uri!r}), None, None)
except StorageRefused as refused:
    print(refused.message)
"""
LAZY = """
import sys
from framemill.storage.address import address_of
from framemill.storage.opening import opened
opened(address_of("/films/"), None, None)
print([name for name in ("botocore", "obstore", "asyncssh", "google.cloud.storage") if name in sys.modules])
"""


def said(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("uri", "kind"), [("/films/a.mp4", FileStore), ("s3://bucket/", S3Store), ("https://host/a", WebStore)]
)
def test_a_scheme_has_its_store(uri: str, kind: type) -> None:
    found = opened(address_of(uri), None, None)
    assert type(found) is kind
    found.close()


@pytest.mark.parametrize("uri", ["s3://bucket/a", "/films/a", "az://box/a", "https://host/a", "sftp://host/a"])
def test_credentials_of_another_kind_open_nothing(uri: str) -> None:
    with pytest.raises(WrongUse, match="'ftp' do not open"):
        opened(address_of(uri), FtpAccess(user="ada", password="secret"), None)  # noqa: S106


def test_credentials_of_the_same_kind_do() -> None:
    for uri, access in (("s3://bucket/a", S3Access()), ("http://host/a", HttpAccess())):
        opened(address_of(uri), access, None).close()


@pytest.mark.parametrize(
    ("uri", "library", "extra"),
    [("gs://bucket/a", "google.cloud.storage", "gcs"), ("sftp://host/a", "asyncssh", "sftp")],
)
def test_a_library_that_is_not_installed_is_named(uri: str, library: str, extra: str) -> None:
    assert f"pip install framemill[{extra}]" in said(WITHOUT.format(uri=uri, library=library))


def test_a_store_that_is_not_opened_costs_nothing() -> None:
    assert said(LAZY) == "[]"
