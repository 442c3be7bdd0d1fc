"""What the environment and `framemill.toml` say; read, and set for our own children, here and nowhere else."""

import contextlib
import difflib
import json
import logging
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from framemill.errors import FarmError, InvalidSetting, UnknownSetting, WrongUse
from framemill.hiding import hidden_credentials, texts_in
from framemill.secrets import mask_url, masked_settings, secrets_of
from framemill.written import absolute, bucket, database, hosts, listed, web_address

log = logging.getLogger(__name__)

PREFIX = "FRAMEMILL_"
_GIB = 1 << 30
#: Variables of ours that are no settings: a farm's mark on its children, and what the tests take.
_OTHER_VARIABLES = frozenset({"FRAMEMILL_FARM", "FRAMEMILL_TEST_MEDIA"})


def ffmpeg_override() -> str | None:
    """`FRAMEMILL_FFMPEG`: path of an ffmpeg to use instead of the bundled one."""
    return os.environ.get("FRAMEMILL_FFMPEG") or None


def notify_socket() -> str | None:
    """`NOTIFY_SOCKET`: where systemd wants to hear how a service stands that it has started."""
    return os.environ.get("NOTIFY_SOCKET") or None


def ray_address() -> str:
    """`RAY_ADDRESS`: the cluster that this process was started for. Raises `FarmError` where there is none."""
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        raise FarmError("RAY_ADDRESS is not set: this is started by `framemill up`, and not by hand.")
    return address


def ray_job() -> str | None:
    """The id of the Ray job that this process is the entrypoint of, or was started by; none: it is no Ray job.

    Ray's job supervisor puts `RAY_JOB_CONFIG_JSON_ENV_VAR` into the environment of what it starts: a JSON object whose
    `metadata` has the id as `job_submission_id`.
    """
    try:
        config = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}")
        return str(config["metadata"]["job_submission_id"])
    except (ValueError, KeyError, TypeError):
        return None


def farm_mark() -> str | None:
    """`FRAMEMILL_FARM`: the farm among whose processes this one is; none: it was started by somebody else."""
    return os.environ.get("FRAMEMILL_FARM") or None


def program_path() -> str:
    """`PATH` with this Python's own folder first: what is started finds our programs, whatever ours was set to."""
    own, before = os.path.dirname(sys.executable), os.environ.get("PATH") or os.defpath
    return before if before.split(os.pathsep)[0] == own else own + os.pathsep + before


def usable_cpus() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables while the block runs; afterwards what was there before."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


#: What a child may know of our environment: where programs, fonts and scratch space are, and words and clocks.
_CHILDREN_KNOW = frozenset({
    "PATH", "HOME", "TMPDIR", "LANG", "LANGUAGE", "TZ", "XDG_CACHE_HOME", "FONTCONFIG_FILE", "FONTCONFIG_PATH",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH",
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
    "FRAMEMILL_FARM", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "SVT_LOG",
})  # fmt: skip


def child_environment() -> dict[str, str]:
    """What a child that reads strangers' media finds in its environment: no setting of ours, no key, no token."""
    return {name: value for name, value in os.environ.items() if name in _CHILDREN_KNOW or name.startswith("LC_")}


def cache_dir() -> Path:
    """Where what can be found out again is kept: `$XDG_CACHE_HOME/framemill`, else `~/.cache/framemill`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "framemill"


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where a farm keeps its things: one folder, one farm. Names only; nothing is made by asking for them."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the farm's supervisor while it runs."""
        return self.root / "farm.lock"

    @property
    def farm_file(self) -> Path:
        """JSON: the running farm's address and processes."""
        return self.root / "farm.json"

    @property
    def admin_key(self) -> Path:
        """The key that opens every door, where none was set."""
        return self.root / "admin.key"

    @property
    def admin_password(self) -> Path:
        """What the first admin logs in with, where nothing was set."""
        return self.root / "admin.password"

    @property
    def secret_key(self) -> Path:
        """What the farm seals and signs with, where none was set; without it no sealed address can be read again."""
        return self.root / "secret.key"

    @property
    def ray_token(self) -> Path:
        """What the farm's Ray asks of whoever speaks to it."""
        return self.root / "ray.token"

    @property
    def settings_file(self) -> Path:
        """Settings that hold for every process of the farm."""
        return self.root / "framemill.toml"

    @property
    def database(self) -> Path:
        """The store, where no other database was named."""
        return self.root / "framemill.db"

    @property
    def database_url(self) -> str:
        """URL of `database`."""
        return f"sqlite:///{self.database}"

    @property
    def blobs(self) -> Path:
        """Sources, plans and chunks."""
        return self.root / "blobs"

    @property
    def work(self) -> Path:
        """Outputs before they are delivered."""
        return self.root / "work"

    @property
    def logs(self) -> Path:
        """A log a role, `<role>.log`."""
        return self.root / "logs"

    @property
    def gcs(self) -> Path:
        """The state of Ray's cluster."""
        return self.root / "gcs"

    @property
    def counts(self) -> Path:
        """What each replica of the API has answered so far, for whoever adds it up."""
        return self.root / "run" / "counts"

    @property
    def sign_of_life(self) -> Path:
        """JSON with the coordinator's `pid`, written anew every two seconds while it is well."""
        return self.root / "run" / "coordinator.alive"


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/framemill`, else `~/.local/share/framemill`."""
    base = os.environ.get("XDG_DATA_HOME") or ""
    if not os.path.isabs(base):  # the XDG base directory specification: ignore it then
        base = os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(base) / "framemill"


Network: TypeAlias = IPv4Network | IPv6Network
_Credentials = Annotated[dict[str, dict[str, Any]], AfterValidator(hidden_credentials)]
_Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(listed)]
_Hosts = Annotated[dict[str, str], NoDecode, BeforeValidator(hosts)]
_Folder = Annotated[Path, AfterValidator(absolute)]
_Folders = Annotated[tuple[_Folder, ...], NoDecode, BeforeValidator(listed)]
_WebAddress = Annotated[str, AfterValidator(web_address)]
_Level = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda level: level.upper() if isinstance(level, str) else level),
]


class Settings(BaseSettings):
    """What an operator may set. The first to say something wins: an argument, the environment, framemill.toml.

    Made by `load_settings`. Sizes are bytes, and may be written `20GiB` or `500 MB`. The environment's names are these
    in capitals, behind `FRAMEMILL_`; an empty variable says nothing.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        defer_build=True,
    )
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    data_dir: _Folder = Field(default_factory=default_data_dir)
    """Where the farm keeps its things; `framemill.toml` lies in it, so it cannot be set there."""
    server: _WebAddress | None = None
    """URL of the farm to speak to; none: the one that runs in `data_dir`."""
    admin_key: SecretStr | None = Field(default=None, min_length=8)
    """The key that opens every door; none: one that was made at random, in `admin.key` of `data_dir`."""
    admin_password: SecretStr | None = Field(default=None, min_length=8)
    """What the first admin logs in with, once, to choose another; none: a random one in `admin.password` of `data_dir`.
    It opens nothing where there is a user who is an admin."""
    registration: Literal["auto", "open", "closed"] = "auto"
    """Whether people may make themselves users, as guests, where an API has that: `auto`: on this machine only."""
    secret_key: SecretStr | None = Field(default=None, min_length=16)
    """What the farm seals and signs with; none: a random one in secret.key in the data folder."""
    database_url: Annotated[str, AfterValidator(database)] = Field(
        default_factory=lambda data: DataFolder(data.get("data_dir", default_data_dir())).database_url
    )
    """The store. May hold a password: show it by `secrets.mask_url` only."""
    blobs_url: Annotated[str, AfterValidator(bucket)] | None = None
    """Where the machines of a cluster share sources, chunks and outputs: `s3://bucket/prefix`; none: in `data_dir`."""
    blobs_endpoint: _WebAddress | None = None
    """Of that bucket; none: Amazon's own for `blobs_region`."""
    blobs_region: str = Field(default="us-east-1", min_length=1)
    """Of that bucket."""
    blobs_key: SecretStr | None = None
    """Access key of that bucket; none: as boto3 finds one (`AWS_…`, a profile, the machine's role)."""
    blobs_secret: SecretStr | None = None
    """What belongs to `blobs_key`."""
    presigned: Literal["auto", "off"] = "auto"
    """`auto`: with `blobs_url` clients send and fetch files straight to and from there; `off`: through the farm."""
    ffmpeg: _Folder | None = None
    """An ffmpeg to use instead of the bundled one."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """Address that the API listens on; 0.0.0.0: every one."""
    port: int = Field(default=8000, ge=1, le=65535)
    """Port that the API listens on."""
    ray_dashboard_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of Ray's dashboard, where Ray jobs are submitted; none: 8265, or a free one where that is taken; 0: there is
    none, and it takes no Ray jobs."""
    slots: int | None = Field(default=None, ge=1, le=1024)
    """Encodes side by side on this machine; none: one a processor, as far as the memory goes."""
    log_level: _Level = "INFO"
    """What is less grave is not logged."""
    log_format: Literal["json", "text"] = "json"
    """`json`: a JSON object a line; `text`: for people."""
    cache_bytes: ByteSize = Field(default=ByteSize(20 * _GIB), ge=0)
    """Most bytes of chunks that are kept for later jobs."""
    cache_days: float = Field(default=14.0, ge=0)
    """Days after which a chunk that nobody used is thrown away."""
    min_free_bytes: ByteSize = Field(default=ByteSize(_GIB), ge=0)
    """Bytes free on the disk below which no job is begun."""
    jobs_per_account: int | None = Field(default=None, ge=1)
    """Jobs of one account worked on at once; none: as many as there are."""
    active_jobs: int | None = Field(default=None, ge=1)
    """Most jobs worked on at once; none: two a slot, and 64 at least."""
    drain_seconds: float = Field(default=30.0, ge=0)
    """How long `framemill down` waits for the chunks under way."""
    speculate: bool = True
    """Whether idle slots encode the slowest chunks a second time."""
    gcs_storage: Literal["rocksdb", "memory"] = "rocksdb"
    """Where Ray keeps the state of its cluster: `rocksdb` outlives the head's process."""
    public_url: _WebAddress | None = None
    """How clients reach the API; none: as they asked."""
    hosts: _Hosts = Field(default_factory=dict)
    """Host names at whose root another API is, by its name: `api.example.com=NAME`; `*=NAME` is for every name. The
    native API is at `/framemill/v1` there."""
    front: Literal["auto", "haproxy", "python"] = "auto"
    """What stands in front of the replicas: `auto`: HAProxy where there is one, else Serve's Python proxy, which holds
    bodies in memory, and so takes none over 64 MB."""
    upload_bytes: ByteSize | None = Field(default=None, ge=1)
    """Most bytes of one upload; none: as many as there is room for."""
    upload_days: float = Field(default=7.0, gt=0)
    """Days for which an upload is kept that nobody finishes, or no job refers to."""
    trusted_proxies: _Networks = ()
    """Networks of the reverse proxies whose `X-Forwarded-…` and `Forwarded` headers count: `127.0.0.1/32, ::1/128`."""
    allowed_networks: _Networks = ()
    """Private networks that clients may have the farm connect to, for sources, targets, callbacks and webhooks:
    `10.1.0.0/16, 192.168.1.20/32`; the public network is open, all else is closed."""
    media_roots: _Folders = ()
    """Folders of this machine in which clients may name paths, as sources and as targets; none: nowhere."""
    credentials: _Credentials = Field(default_factory=dict)
    """What opens stores, by name: `[credentials.NAME]` with `kind`, the fields of that kind, `allowed_buckets` (or
    hosts) that it is for, and the `accounts` that may use it (default: the farm's own)."""
    tariffs: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Prices of the other APIs, by the API's name: `[tariffs.NAME]`; what can be set there is on its own page."""
    doors: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """What else can be set of the other APIs, by the API's name: `[doors.NAME]`; it is on its own page. Of any of them
    `active_jobs`: most of its jobs that are worked on at once."""
    metrics_open: bool = False
    """Whether `/metrics` needs no key: for a scraper in a network that nobody else is in."""

    @property
    def folder(self) -> DataFolder:
        """The farm's files."""
        return DataFolder(self.data_dir)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from masked_settings(self).items()

    def variables(self) -> dict[str, str]:
        """The environment in which `load_settings()` gives these settings again: for the farm's own processes.

        A secret that stands in the environment or in the file already is not repeated.
        """
        repeated = {name for name, origin in self._origins.items() if origin.startswith("--")} | {"data_dir", "ffmpeg"}
        found = {}
        for name in repeated & set(type(self).model_fields):
            value = getattr(self, name)
            if value is not None:
                text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
                found[PREFIX + name.upper()] = text
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, the environment, the file: in this order."""
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        root = given.get("data_dir") or _said_by_environment().get("data_dir") or default_data_dir()
        file = DataFolder(absolute(Path(root))).settings_file
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


class Origin(NamedTuple):
    """A setting, and who said it."""

    name: str
    value: Any
    origin: str
    """`--port`, `environment FRAMEMILL_PORT`, the path of framemill.toml, or `default`."""


def load_settings(**explicit: Any) -> Settings:
    """The settings: arguments (none: not given) before the environment before framemill.toml before defaults.

    Raises `UnknownSetting` for a name in framemill.toml that is none, `InvalidSetting` for a value that does not fit,
    and `WrongUse` for a file that cannot be read. A variable `FRAMEMILL_…` that is no setting is warned of.
    """
    given = {name: value for name, value in explicit.items() if value is not None}
    said = _said_by_environment()
    root = absolute(Path(given.get("data_dir") or said.get("data_dir") or default_data_dir()))
    file = DataFolder(root).settings_file
    written = _said_by_file(file)
    origins = (
        {name: str(file) for name in written}
        | {
            _field(name): f"environment {PREFIX}{name.upper()}"
            for name in said
            if _field(name) in Settings.model_fields
        }
        | {name: "--" + name.replace("_", "-") for name in given}
    )
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise _refusal(error, origins) from None
    settings._origins.update(origins)
    _warn_of_unknown(said)
    return settings


def origin_of(settings: Settings) -> list[Origin]:
    """Each setting, its value (masked nowhere) and where it came from, in the order of the fields."""
    return [
        Origin(name, getattr(settings, name), settings._origins.get(name, "default"))
        for name in type(settings).model_fields
    ]


def secrets_set(settings: Settings) -> set[str]:
    """The very letters of every secret that was set, also where another source won; to find them in texts."""
    found = {key.get_secret_value() for name in _KEYS if (key := getattr(settings, name)) is not None}
    urls = [settings.database_url, settings.server or "", settings.public_url or ""]
    for said in (_said_by_environment(), _said_by_file(settings.folder.settings_file)):
        found |= {str(said.get(name, "")) for name in _KEYS}
        urls += [str(said.get(name, "")) for name in ("database_url", "server", "public_url")]
    found |= {secret for url in urls for secret in secrets_of(url)}
    found |= {text for one in settings.credentials.values() for secret in one.values() for text in texts_in(secret)}
    found.add(os.environ.get("RAY_AUTH_TOKEN", ""))
    return found - {""}


def _field(name: str) -> str:
    """The setting that a variable belongs to: `credentials__corp__kind` is of `credentials`."""
    return name.partition("__")[0]


def _said_by_environment() -> dict[str, str]:
    """What variables `FRAMEMILL_…` say, under the names of settings; an empty one says nothing."""
    ours = {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX) and value}
    return {name.removeprefix(PREFIX).lower(): value for name, value in ours.items() if name not in _OTHER_VARIABLES}


def _said_by_file(file: Path) -> dict[str, Any]:
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WrongUse(f"{file} cannot be read: {error.strerror}. Change its owner or its mode.") from None
    except ValueError as error:  # no TOML, or not even text
        raise WrongUse(f"{file} is no TOML: {error}. Settings stand there as `port = 8000`, one a line.") from None
    for name in written:
        if name not in Settings.model_fields:
            raise UnknownSetting(f"{file}: there is no setting {name!r}; {_near(name)}")
    if "data_dir" in written:
        raise InvalidSetting(f"{file}: data_dir cannot be set in a file that lies in it; use FRAMEMILL_DATA_DIR.")
    return written


def _near(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), Settings.model_fields, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(Settings.model_fields))}."


def _warn_of_unknown(said: Mapping[str, str]) -> None:
    for name in said:
        if _field(name) not in Settings.model_fields:
            near = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.5)
            hint = f"; did you mean {PREFIX}{near[0].upper()}?" if near else "."
            variable = PREFIX + name.upper()
            log.warning("%s is no setting, and changes nothing%s", variable, hint, extra={"action": "unknown_variable"})


_KEYS = ("admin_key", "admin_password", "secret_key", "blobs_key", "blobs_secret")
_SECRET = {*_KEYS, "database_url", "credentials"}


def _refusal(error: ValidationError, origins: Mapping[str, str]) -> WrongUse:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return UnknownSetting(f"There is no setting {name!r}; {_near(name)}")
    reason = first["msg"].removeprefix("Value error, ")
    given = first["input"]
    # What may hold a secret is not repeated.
    value = given if name not in _SECRET and isinstance(given, str | int | float) else ""
    told = f", not {mask_url(str(value))!r}" if value != "" else ""
    return InvalidSetting(f"Setting {name} ({origins.get(name, 'default')}): {reason[:1].lower()}{reason[1:]}{told}.")
