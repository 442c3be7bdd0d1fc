"""Credentials that the operator has named: who may use them for what, and that nobody gets to know them."""

from typing import Any

import pytest

from framemill.errors import InvalidSetting, WrongUse
from framemill.hiding import hidden_credentials
from framemill.storage.access import S3Access
from framemill.storage.address import address_of
from framemill.storage.credentials import Named, credentials_called, named_credentials

S3: dict[str, Any] = {"kind": "s3", "access_key_id": "some-key-id", "secret_access_key": "some-secret"}
FTP: dict[str, Any] = {"kind": "ftp", "user": "ada", "password": "some-secret", "allowed_buckets": ["ftp.example.org"]}


def named(**each: dict[str, Any]) -> Named:
    return named_credentials(hidden_credentials(each))


def test_what_is_secret_is_not_shown_and_is_there_all_the_same() -> None:
    hidden = hidden_credentials({"corp": {**S3, "region": "eu", "allowed_buckets": "in, out-*"}})

    assert "some-" not in repr(hidden)
    found = named_credentials(hidden)["corp"]
    assert found.access == S3Access(access_key_id="some-key-id", secret_access_key="some-secret", region="eu")  # noqa: S106
    assert "some-" not in repr(found)
    assert found.allowed_buckets == ("in", "out-*")


def test_a_key_file_may_be_a_table_or_text() -> None:
    for written in ({"type": "service_account", "private_key": "x"}, '{"type": "service_account", "private_key": "x"}'):
        access = named(g={"kind": "gcs", "keyfile": written})["g"].access
        assert access.model_dump()["keyfile"]["private_key"] == "x"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "s4"}, "credentials.corp"),
        ({"kind": "s3", "secret": "some-secret"}, "credentials.corp.secret"),
        ({"kind": "azure", "key": "some-secret"}, "credentials.corp.account"),
        ({"kind": "gcs", "keyfile": "some-secret"}, "keyfile: it is no JSON"),
        ({**S3, "accounts": ["small"]}, "for which buckets"),
        ({**FTP, "allowed_buckets": []}, "for which hosts"),
    ],
)
def test_what_cannot_be_is_said_without_its_values(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        named(corp=fields)
    assert says in refused.value.message
    assert "some-" not in refused.value.message


def test_only_whom_they_are_for_may_use_them() -> None:
    both = named(corp=S3, shared={**S3, "accounts": ["small"], "allowed_buckets": ["in"]})

    assert credentials_called("corp", both, "default").name == "corp"
    with pytest.raises(WrongUse, match="there are shared"):
        credentials_called("corp", both, "small")
    with pytest.raises(WrongUse, match="there are none for this account"):
        credentials_called("corp", both, "other")


@pytest.mark.parametrize(
    ("fields", "uri", "allowed"),
    [
        (S3, "s3://any/a", True),
        (S3, "gs://any/a", False),
        (S3, "/films/a", False),
        ({**S3, "allowed_buckets": ["in", "out-*"]}, "s3://in/a", True),
        ({**S3, "allowed_buckets": ["in", "out-*"]}, "s3://out-2/a", True),
        ({**S3, "allowed_buckets": ["in", "out-*"]}, "s3://inn/a", False),
        (FTP, "ftp://ftp.example.org:2121/a", True),
        (FTP, "ftp://evil.example.org/a", False),
        (FTP, "ftp://ftp.example.org.evil.org/a", False),
    ],
)
def test_they_are_for_the_buckets_and_hosts_that_are_listed(fields: dict[str, Any], uri: str, allowed: bool) -> None:
    corp = named(corp=fields)["corp"]
    if allowed:
        corp.refuse(address_of(uri), "default")
    else:
        with pytest.raises(WrongUse):
            corp.refuse(address_of(uri), "default")


def test_what_the_operator_has_placed_may_be_in_a_private_network() -> None:
    found = named(
        amazon=S3,
        ours={**S3, "endpoint": "http://10.0.0.1:9000"},
        ftp=FTP,
        anywhere={**FTP, "allowed_buckets": ["*"]},
        web={"kind": "http", "headers": {"X-Key": "k"}, "allowed_buckets": ["films.example.org"]},
    )
    assert {name for name, one in found.items() if one.private} == {"ours", "ftp"}
