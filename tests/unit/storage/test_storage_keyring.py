"""The way to a thing in a store travels without its secrets; the keyring puts them together again."""

import pytest

from framemill.errors import KeyRefused, WrongUse
from framemill.sealing import Seals
from framemill.services.desk import Desk, way_of
from framemill.storage.access import FtpAccess, GcsAccess, HttpAccess, S3Access
from framemill.storage.credentials import Credentials
from framemill.storage.keyring import Keyring, Way, secrets_in

CORP = Credentials(
    name="corp",
    access=S3Access(access_key_id="corp-key-id", secret_access_key="corp-secret", endpoint="http://10.0.0.1:9000"),  # noqa: S106
    allowed_buckets=("in",),
)
DESK = Desk(Seals("a farm's secret"), credentials={"corp": CORP})
KEYRING = DESK.keyring
SOME = S3Access(access_key_id="some-key-id", secret_access_key="some-secret", session_token="some-token")  # noqa: S106


@pytest.mark.parametrize(
    "uri", ["ftp://ada:some-secret@ftp.example.org/a", "https://example.org/a?X-Amz-Signature=some-secret"]
)
def test_secrets_of_a_uri_are_sealed_and_opened_again(uri: str) -> None:
    way = way_of(uri, None, "default", DESK)

    assert "some-secret" not in way.model_dump_json()
    entrance = KEYRING.entrance(way)
    assert KEYRING.uri(way) == uri
    assert "some-secret" in entrance.secrets
    assert entrance.reach is not None


def test_what_came_with_the_request_is_sealed_and_opened_again() -> None:
    way = way_of("s3://bucket/a", SOME, "default", DESK)

    assert "some-" not in way.model_dump_json()
    entrance = KEYRING.entrance(way)
    assert entrance.access == SOME
    assert entrance.secrets == frozenset({"some-key-id", "some-secret", "some-token"})
    assert entrance.reach is not None


def test_what_is_named_is_looked_up_where_it_is_needed() -> None:
    way = way_of("s3://in/a", "corp", "default", DESK)

    entrance = KEYRING.entrance(way)
    assert (entrance.access, entrance.reach) == (CORP.access, None)  # the operator has said where that is
    with pytest.raises(WrongUse, match="no credentials 'corp'"):
        Keyring(seals=DESK.seals).entrance(way)  # meanwhile they were taken away
    with pytest.raises(WrongUse, match="not for out"):
        KEYRING.entrance(way.model_copy(update={"uri": "s3://out/a"}))


@pytest.mark.parametrize(
    ("uri", "opener", "says"),
    [
        ("s3://in/a", FtpAccess(), "kind ftp do not open s3"),
        ("/films/a", SOME, "takes no credentials"),
        ("s3://in/a", "other", "no credentials 'other'"),
        ("s3://out/a", "corp", "not for out"),
        ("gs://in/a", "corp", "open no gs://"),
        ("s3://in/a", SOME.model_copy(update={"endpoint": "gopher://x"}), "http"),
        ("s3://in/a", SOME.model_copy(update={"endpoint": "http://169.254.169.254"}), "closed to clients"),
        ("gopher://in/a", None, "URI"),
    ],
)
def test_what_does_not_belong_together_is_refused(uri: str, opener: object, says: str) -> None:
    with pytest.raises(WrongUse, match=says) as refused:
        way_of(uri, opener, "default", DESK)  # type: ignore[arg-type]
    assert "some-" not in refused.value.message


def test_without_seals_no_secret_is_taken_and_none_is_opened() -> None:
    assert way_of("s3://in/a", None, "default", None) == Way(uri="s3://in/a")
    with pytest.raises(WrongUse, match="could seal"):
        way_of("s3://in/a", SOME, "default", None)
    with pytest.raises(KeyRefused):
        Keyring().entrance(way_of("s3://in/a", SOME, "default", DESK))


def test_of_a_key_file_only_its_key_is_a_secret() -> None:
    keyfile = {"type": "service_account", "private_key": "some-key", "client_email": "a@b", "private_key_id": "some-id"}
    assert set(secrets_in(GcsAccess(keyfile=keyfile))) == {"some-key", "some-id"}
    assert set(secrets_in(HttpAccess(user="ada", password="some-word", headers={"X-Key": "some-key"}))) == {  # noqa: S106
        "some-word",
        "some-key",
    }
