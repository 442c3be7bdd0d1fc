"""A client's store is entered with what the client gave, and never with what lies about on the farm's own machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.scripted import Scripted, scripted

OWN = "OPERATORSOWN"
ENTER = """
import json, sys
from framemill.errors import StorageError
from framemill.storage.access import ACCESS
from framemill.storage.address import address_of
from framemill.storage.opening import Patience, opened

for uri, access in json.loads(sys.argv[1]):
    storage = opened(address_of(uri), access and ACCESS.validate_python(access), None, Patience(2, 0, 0.01))
    for doing in (lambda: storage.stat("film"), lambda: storage.read("film", 0, 3), lambda: list(storage.list("a/"))):
        try:
            doing()
        except StorageError:
            pass
    signed = storage.presign("film", "GET", 60)
    print(signed)
"""


@pytest.fixture
def theirs() -> Iterator[Scripted]:
    """The endpoint that a client names."""
    with scripted(film=b"bytes") as server:
        server.files["/account/bucket/film"] = b"bytes"
        yield server


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[tuple[Scripted, dict[str, str]]]:
    """The machine's metadata service, and an environment full of the operator's credentials."""
    with scripted() as server:
        folder = tmp_path / "home" / ".aws"
        folder.mkdir(parents=True)
        keys = f"aws_access_key_id = {OWN}-FILE\naws_secret_access_key = {OWN}\naws_session_token = {OWN}-FILETOKEN\n"
        (folder / "credentials").write_text(f"[default]\n{keys}[other]\n{keys}")
        settings = f"region = {OWN}\nendpoint_url = {server.url}/file\ncredential_process = touch {tmp_path}/ran\n"
        (folder / "config").write_text(f"[default]\n{settings}[profile other]\n{settings}")
        token = tmp_path / "token"
        token.write_text(f"{OWN}-WEB")
        aws = {
            **{"ACCESS_KEY_ID": f"{OWN}-KEY", "SECRET_ACCESS_KEY": OWN, "SESSION_TOKEN": f"{OWN}-TOKEN"},
            **{"PROFILE": "other", "REGION": OWN.lower(), "DEFAULT_REGION": OWN.lower(), "ENDPOINT": server.url},
            **{"ENDPOINT_URL": server.url, "ENDPOINT_URL_S3": server.url, "ENDPOINT_URL_STS": server.url},
            **{"WEB_IDENTITY_TOKEN_FILE": str(token), "ROLE_ARN": f"arn:aws:iam::123456789012:role/{OWN}"},
            **{"CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/container", "METADATA_ENDPOINT": server.url},
            **{"EC2_METADATA_SERVICE_ENDPOINT": server.url, "SKIP_SIGNATURE": "true", "REQUEST_PAYER": "true"},
            **{"SSE_CUSTOMER_KEY_BASE64": OWN, "SERVER_SIDE_ENCRYPTION": "sse-c", "USE_FIPS_ENDPOINT": "true"},
        }
        azure = {
            **{"STORAGE_ACCOUNT_NAME": OWN, "STORAGE_ACCOUNT_KEY": "T1BFUkFUT1JT", "STORAGE_TOKEN": f"{OWN}-BEARER"},
            **{"STORAGE_SAS_KEY": f"sig={OWN}", "CLIENT_ID": OWN, "CLIENT_SECRET": OWN, "TENANT_ID": OWN},
            **{"FEDERATED_TOKEN_FILE": str(token), "AUTHORITY_HOST": server.url, "MSI_ENDPOINT": server.url},
            **{"STORAGE_ENDPOINT": server.url, "ENDPOINT": server.url, "STORAGE_USE_EMULATOR": "true"},
            **{"SKIP_SIGNATURE": "true", "CREDENTIAL_TYPE": "managed_identity", "CONTAINER_NAME": OWN.lower()},
            **{"ENCRYPTION_KEY": "T1BFUkFUT1JTT1dOT1BFUkFUT1JTT1dOT1BFUkFUT1I="},
        }
        environment = {
            **{f"AWS_{name}": value for name, value in aws.items()},
            **{f"AZURE_{name}": value for name, value in azure.items()},
            "HOME": str(tmp_path / "home"),
        }
        yield server, environment
        assert not (tmp_path / "ran").exists()


def entered(stores: list[tuple[str, dict[str, str] | None]], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ENTER, json.dumps(stores)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_client_never_gets_the_operators_credentials(theirs: Scripted, ours: tuple[Scripted, dict[str, str]]) -> None:
    server, environment = ours
    s3 = {"kind": "s3", "endpoint": theirs.url}
    azure = {"kind": "azure", "account": "account", "endpoint": f"{theirs.url}/account"}
    key = "Y2xpZW50cw=="
    signed = entered(
        [
            ("s3://bucket/film", s3),
            ("s3://bucket/film", {**s3, "access_key_id": "CLIENTS", "secret_access_key": "c"}),
            ("s3://bucket/film", {**s3, "access_key_id": "CLIENTS", "secret_access_key": ""}),
            ("az://bucket/film", azure),
            ("az://bucket/film", {**azure, "key": key}),
            ("az://bucket/film", {**azure, "sas": "sv=1&sig=CLIENTS"}),
        ],
        environment,
    )
    assert server.asked == []
    assert len(theirs.asked) >= 12
    for asked in theirs.asked:
        said = f"{asked.target} {asked.headers}"
        assert OWN.lower() not in said.lower()
        assert not [name for name in asked.headers if "encryption" in name or "payer" in name]
        assert asked.headers.get("authorization", "CLIENTS account:").find("Bearer") < 0
    assert OWN.lower() not in signed.lower()
    assert [line == "None" for line in signed.split()] == [True, False, False, True, False, True]


def test_without_an_endpoint_it_is_amazons(ours: tuple[Scripted, dict[str, str]]) -> None:
    server, environment = ours
    (signed,) = entered(
        [
            (
                "s3://bucket/film",
                {"kind": "s3", "access_key_id": "CLIENTS", "secret_access_key": "c", "region": "eu-west-1"},
            )
        ],
        {**environment, "HTTPS_PROXY": "http://127.0.0.1:1"},
    ).split()
    assert signed.startswith("https://bucket.s3.eu-west-1.amazonaws.com/film?")
    assert "CLIENTS" in signed
    assert server.asked == []
