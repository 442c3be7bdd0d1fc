"""Settings: who says what, who wins, and what is said of what is wrong."""

import logging
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framemill.config import DataFolder, Settings, default_data_dir, environment, load_settings, origin_of, secrets_set
from framemill.environment import own_credentials
from framemill.errors import InvalidSetting, UnknownSetting, WrongUse
from framemill.secrets import masked_settings
from framemill.storage.credentials import named_credentials

GIB = 1 << 30


@pytest.fixture(autouse=True)
def _nothing_set() -> Iterator[None]:
    """An empty variable says nothing."""
    with environment({f"FRAMEMILL_{name.upper()}": "" for name in Settings.model_fields}):
        yield


def write(folder: Path, text: str) -> Path:
    file = folder / "framemill.toml"
    file.write_text(text)
    return file


def origins(settings: Settings) -> dict[str, str]:
    return {name: origin for name, _, origin in origin_of(settings)}


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)

    assert (settings.host, settings.port, settings.slots) == ("127.0.0.1", 8000, None)
    assert (settings.cache_bytes, settings.min_free_bytes, settings.drain_seconds) == (20 * GIB, GIB, 30)
    assert (settings.active_jobs, settings.jobs_per_account, settings.speculate) == (None, None, True)
    assert settings.database_url == f"sqlite:///{tmp_path}/framemill.db"
    assert origins(settings) == dict.fromkeys(Settings.model_fields, "default") | {"data_dir": "--data-dir"}


@pytest.mark.parametrize(
    ("in_file", "in_environment", "argument", "port", "origin"),
    [
        (None, None, None, 8000, "default"),
        (8001, None, None, 8001, "{file}"),
        (8001, "8002", None, 8002, "environment FRAMEMILL_PORT"),
        (8001, "8002", 8003, 8003, "--port"),
        (8001, "", None, 8001, "{file}"),
        (None, "8002", None, 8002, "environment FRAMEMILL_PORT"),
        (8001, None, 8003, 8003, "--port"),
    ],
)
def test_an_argument_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, *, in_file: int | None, in_environment: str | None, argument: int | None, port: int, origin: str
) -> None:
    file = write(tmp_path, "" if in_file is None else f"port = {in_file}")
    with environment({"FRAMEMILL_PORT": in_environment or ""}):
        settings = load_settings(data_dir=tmp_path, port=argument)

    assert settings.port == port
    assert origins(settings)["port"] == origin.format(file=file)


def test_the_data_folder_says_where_the_file_is(tmp_path: Path) -> None:
    write(tmp_path, "port = 8001")
    with environment({"FRAMEMILL_DATA_DIR": str(tmp_path)}):
        settings = load_settings()

    assert (settings.data_dir, settings.port) == (tmp_path, 8001)
    assert origins(settings)["data_dir"] == "environment FRAMEMILL_DATA_DIR"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("/var/data", "/var/data/framemill"),
        ("", "~/.local/share/framemill"),
        ("relative", "~/.local/share/framemill"),
    ],
)
def test_the_data_folder_is_where_the_desktop_says(base: str, expected: str) -> None:
    with environment({"XDG_DATA_HOME": base}):
        assert default_data_dir() == Path(expected).expanduser()
        assert load_settings().folder.root == default_data_dir()


def test_a_data_folder_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert load_settings(data_dir="here/../there").data_dir == tmp_path / "there"
    assert load_settings(data_dir="~/films").data_dir == Path("~/films").expanduser()


@pytest.mark.parametrize(
    ("written", "size"),
    [('"20GiB"', 20 * GIB), ('"500 MB"', 500_000_000), ("1024", 1024), ('"1.5 GiB"', 3 * GIB // 2), ('"0"', 0)],
)
def test_sizes_have_units(tmp_path: Path, written: str, size: int) -> None:
    write(tmp_path, f"cache_bytes = {written}")

    assert load_settings(data_dir=tmp_path).cache_bytes == size


@pytest.mark.parametrize(("text", "meant"), [("off", False), ("0", False), ("true", True), ("yes", True)])
def test_the_environment_knows_yes_and_no(tmp_path: Path, text: str, meant: bool) -> None:
    with environment({"FRAMEMILL_SPECULATE": text, "FRAMEMILL_LOG_LEVEL": "debug"}):
        settings = load_settings(data_dir=tmp_path)

    assert (settings.speculate, settings.log_level) == (meant, "DEBUG")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("prot = 8001", UnknownSetting, "there is no setting 'prot'; did you mean port"),
        ("Port = 8001", UnknownSetting, "there is no setting 'Port'; did you mean port"),
        ("zzz = 1", UnknownSetting, "there are: active_jobs, admin_key, "),
        ("[cache]\nbytes = 3", UnknownSetting, "there is no setting 'cache'; did you mean cache"),
        ("port = 0", InvalidSetting, "Setting port ({file}): input should be greater than or equal to 1, not '0'."),
        ('port = "many"', InvalidSetting, "Setting port ({file}): input should be a valid integer"),
        ('log_format = "jsn"', InvalidSetting, "input should be 'json' or 'text', not 'jsn'."),
        ('cache_bytes = "20 gigs"', InvalidSetting, "Setting cache_bytes"),
        ("cache_bytes = -1", InvalidSetting, "Setting cache_bytes"),
        ('server = "farm:8000"', InvalidSetting, "Setting server ({file}): should be an http:// or https:// URL"),
        ('data_dir = "/elsewhere"', InvalidSetting, "data_dir cannot be set in a file that lies in it"),
        ("port 8000", WrongUse, "is no TOML: "),
        ("\udcff", WrongUse, "is no TOML: "),
    ],
)
def test_what_is_wrong_in_the_file_is_told_in_a_line(
    tmp_path: Path, text: str, kind: type[WrongUse], said: str
) -> None:
    file = tmp_path / "framemill.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(kind) as raised:
        load_settings(data_dir=tmp_path)

    assert said.format(file=file) in raised.value.message
    assert str(file) in raised.value.message
    assert "\n" not in raised.value.message


def test_what_is_wrong_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    with environment({"FRAMEMILL_SLOTS": "several"}), pytest.raises(InvalidSetting) as raised:
        load_settings(data_dir=tmp_path)

    assert "Setting slots (environment FRAMEMILL_SLOTS)" in raised.value.message
    assert "not 'several'" in raised.value.message


@pytest.mark.parametrize(
    "given",
    [{"database_url": "mysql://root:hunter2@db/x"}, {"admin_key": "hunter2"}, {"server": "ftp://me:hunter2@farm"}],
)
def test_a_refusal_repeats_no_secret(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(InvalidSetting) as raised:
        load_settings(data_dir=tmp_path, **given)

    assert "hunter2" not in raised.value.message


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "framemill.toml").mkdir()
    with pytest.raises(WrongUse, match=r"framemill\.toml cannot be read: Is a directory"):
        load_settings(data_dir=tmp_path)


def test_a_variable_that_is_no_setting_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        environment({"FRAMEMILL_PROT": "1", "FRAMEMILL_FARM": "x", "FRAMEMILL_TEST_MEDIA": "y"}),
        caplog.at_level(logging.WARNING),
    ):
        load_settings(data_dir=tmp_path)

    assert caplog.messages == ["FRAMEMILL_PROT is no setting, and changes nothing; did you mean FRAMEMILL_PORT?"]


def test_settings_are_frozen_and_travel(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, port=8001)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 8002  # type: ignore[misc]
    carried = pickle.loads(pickle.dumps(settings))  # noqa: S301 – our own

    assert carried == settings
    assert origin_of(carried) == origin_of(settings)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    settings = load_settings(
        data_dir=tmp_path,
        admin_key="a-long-secret",
        database_url="postgresql://me:pa ss/word@db/farm",
        public_url="https://me:hunter2@farm.example/?token=abc",
    )

    assert [secret for secret in ("a-long", "ss/word", "hunter2", "abc") if secret in f"{settings} {settings!r}"] == []
    shown = masked_settings(settings)
    assert shown["admin_key"] == "***"
    assert shown["database_url"] == "postgresql://***@db/farm"
    assert shown["public_url"] == "https://***@farm.example/?token=***"
    assert list(shown) == list(Settings.model_fields)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"port": 8001, "host": "::1", "slots": 3},
        {"speculate": False, "cache_bytes": "3 GiB", "drain_seconds": 0.5},
        {"admin_key": "a-long-secret", "database_url": "postgresql://me@db/farm", "gcs_storage": "memory"},
    ],
)
def test_the_farms_processes_read_the_same(tmp_path: Path, given: dict[str, Any]) -> None:
    write(tmp_path, 'port = 8005\nffmpeg = "/opt/ffmpeg"\nadmin_key = "in-the-file"')
    settings = load_settings(data_dir=tmp_path, **given)
    variables = settings.variables()
    with environment(variables):
        assert load_settings().model_dump() == settings.model_dump()

    assert "in-the-file" not in variables.values()
    assert variables["FRAMEMILL_FFMPEG"] == "/opt/ffmpeg"


def test_every_secret_that_was_set_is_known(tmp_path: Path) -> None:
    write(tmp_path, 'admin_key = "in-the-file"\nserver = "https://me:file%20pass@farm"')
    with environment({"FRAMEMILL_ADMIN_KEY": "in-the-environment", "RAY_AUTH_TOKEN": "of-ray"}):
        settings = load_settings(data_dir=tmp_path, admin_key="the-argument", database_url="postgresql://me:db@db/x")
        known = secrets_set(settings)

    assert known == {
        *("the-argument", "in-the-environment", "in-the-file", "of-ray", "db", "file pass", "file%20pass"),
    }


CORP = """
[credentials.corp]
kind = "s3"
access_key_id = "some-key-id"
secret_access_key = "some-secret"
allowed_buckets = ["in", "out-*"]
"""


def test_credentials_by_name_are_read_and_hidden(tmp_path: Path) -> None:
    write(tmp_path, CORP)
    said = {
        "FRAMEMILL_CREDENTIALS__CORP__SESSION_TOKEN": "some-token",
        "FRAMEMILL_CREDENTIALS__G__KIND": "gcs",
        "FRAMEMILL_CREDENTIALS__G__KEYFILE": '{"type": "service_account", "private_key": "some-private-key"}',
    }
    with environment(said):
        settings = load_settings(data_dir=tmp_path)
        known = secrets_set(settings)

    shown = masked_settings(settings)["credentials"]
    assert shown["corp"]["allowed_buckets"] == ["in", "out-*"]
    assert (shown["corp"]["secret_access_key"], shown["g"]["keyfile"]) == ("***", "***")
    assert "some-" not in f"{settings} {shown} {settings.credentials}"
    assert {"some-key-id", "some-secret", "some-token", "some-private-key"} <= known
    assert named_credentials(settings.credentials)["corp"].access.model_dump()["session_token"] == "some-token"  # noqa: S105


def test_a_name_of_credentials_is_a_name(tmp_path: Path) -> None:
    write(tmp_path, '[credentials."a b"]\nkind = "s3"\nsecret_access_key = "some-secret"\n')
    with pytest.raises(InvalidSetting, match="a name has letters") as refused:
        load_settings(data_dir=tmp_path)
    assert "some-" not in refused.value.message


def test_the_tools_of_stores_are_listened_to(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"type": "service_account"}')
    said = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
        "AZURE_STORAGE_KEY": "no account is named",
    }
    others = dict.fromkeys(["AWS_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ACCOUNT"], "")
    with environment({**others, **said}):
        found = own_credentials()

    endpoint = {"region": "eu-west-1", "endpoint": "http://127.0.0.1:9000"}
    assert found == {
        "s3": {"access_key_id": "id", "secret_access_key": "secret", **endpoint},
        "gcs": {"keyfile": {"type": "service_account"}},
    }
    with environment({"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}), pytest.raises(WrongUse, match="no key file"):
        own_credentials()


def test_one_folder_holds_a_farm(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    names = ("lock", "farm_file", "admin_key", "ray_token", "settings_file", "database", "blobs", "work", "logs", "gcs")

    assert [getattr(folder, name).relative_to(tmp_path).as_posix() for name in names] == [
        *("farm.lock", "farm.json", "admin.key", "ray.token", "framemill.toml", "framemill.db"),
        *("blobs", "work", "logs", "gcs"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_help_does_not_wait_for_settings() -> None:
    code = "import framemill.cli.main, sys; print([m for m in ('pydantic', 'framemill.config') if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_bucket_of_a_cluster_keeps_its_secret(tmp_path: Path) -> None:
    settings = load_settings(
        data_dir=tmp_path,
        blobs_url="s3://media/farm/",
        blobs_key="AKIATESTTEST",
        blobs_secret="ve/ry+secret",  # noqa: S106
    )
    assert settings.blobs_url == "s3://media/farm"
    assert "AKIATESTTEST" not in f"{settings!r}"
    assert masked_settings(settings)["blobs_secret"] == "***"  # noqa: S105
    assert {"AKIATESTTEST", "ve/ry+secret"} <= secrets_set(settings)


@pytest.mark.parametrize("url", ["media/farm", "gs://media/farm", "s3://", "s3:///farm", "s3://media//farm"])
def test_what_is_no_bucket_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidSetting, match="s3://bucket/prefix"):
        load_settings(data_dir=tmp_path, blobs_url=url)
