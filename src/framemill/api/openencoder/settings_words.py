"""The settings of this door, by their names; what fits them; and the stores that they name. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from framemill.api.openencoder.places import Stores
from framemill.errors import WrongUse
from framemill.storage.access import ANYBODY, USUAL_REGION, FtpAccess, S3Access

MASK = "********"
"""What is shown of a secret that is set; sent back, it changes nothing."""
LONGEST = 2000
"""Letters of a value."""


class Setting(NamedTuple):
    """A setting."""

    name: str
    title: str
    description: str
    secure: bool = False
    usual: str = ""
    """What it is where nobody has said anything."""
    values: tuple[str, ...] = ()
    """All that it takes; none: any text."""


_ON_OFF = ("enabled", "disabled")

SETTINGS: tuple[Setting, ...] = (
    Setting("S3_ACCESS_KEY", "S3 Access Key", "Key of the buckets.", secure=True),
    Setting("S3_SECRET_KEY", "S3 Secret Key", "What belongs to the key.", secure=True),
    Setting("DIGITAL_OCEAN_ACCESS_TOKEN", "Digital Ocean Access Token", "Makes and removes machines.", secure=True),
    Setting("SLACK_WEBHOOK", "Slack Webhook", "URL of the channel that is told of each job's end.", secure=True),
    Setting("S3_INBOUND_BUCKET", "S3 Inbound Bucket", "Bucket of the sources.", usual="inbound"),
    Setting("S3_OUTBOUND_BUCKET", "S3 Outbound Bucket", "Bucket of the results.", usual="outbound"),
    Setting("S3_OUTBOUND_BUCKET_REGION", "S3 Outbound Bucket Region", "Region of the results' bucket.", usual="sfo2"),
    Setting("S3_INBOUND_BUCKET_REGION", "S3 Inbound Bucket Region", "Region of the sources' bucket.", usual="sfo2"),
    Setting(
        "S3_PROVIDER",
        "S3 Provider",
        "Whose buckets they are.",
        usual="digitaloceanspaces",
        values=("digitaloceanspaces", "amazonaws", "custom", ""),
    ),
    Setting("S3_STREAMING", "S3 Streaming", "Sources are read where they are.", usual="disabled", values=_ON_OFF),
    Setting("FTP_ADDR", "FTP Address", "host:port of the FTP server."),
    Setting("FTP_USERNAME", "FTP Username", "Its user.", secure=True),
    Setting("FTP_PASSWORD", "FTP Password", "The user's password.", secure=True),
    Setting("STORAGE_DRIVER", "Storage Driver", "Where sources and results lie.", usual="s3", values=("s3", "ftp")),
    Setting("S3_ENDPOINT", "S3 Endpoint", "URL of a custom provider."),
    Setting("DIGITAL_OCEAN_REGION", "Digital Ocean Region", "Where machines are made."),
    Setting(
        "DIGITAL_OCEAN_ENABLED",
        "Digital Ocean Machines",
        "Machines may be made.",
        usual="disabled",
        values=(*_ON_OFF, ""),
    ),
    Setting("DIGITAL_OCEAN_VPC", "Digital Ocean VPC", "Network of the machines."),
)
"""All of them, in the order of their ids."""

NAMES = tuple(one.name for one in SETTINGS)
SECURE = frozenset(one.name for one in SETTINGS if one.secure)
USUAL: Mapping[str, str] = MappingProxyType({one.name: one.usual for one in SETTINGS})


def told(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """As they are shown: with nothing that is secret."""
    return [
        {
            "name": one.name,
            "title": one.title,
            "value": MASK if one.secure and values[one.name] else values[one.name],
            "description": one.description,
            "secure": one.secure,
        }
        for one in SETTINGS
    ]


def replaced(before: Mapping[str, str], said: Mapping[str, Any]) -> dict[str, str]:
    """All of them as they are from now on: what is not said is empty, and a mask stands for what was there.

    Raises `WrongUse` for a value that does not fit.
    """
    found = {}
    for one in SETTINGS:
        value = said.get(one.name)
        value = "" if value is None else value
        if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
            raise WrongUse(f"{one.name} takes a text of up to {LONGEST} letters.")
        value = before[one.name] if one.secure and value == MASK else value.strip()
        if one.values and value not in one.values:
            raise WrongUse(f"{one.name} takes {', '.join(each or 'nothing' for each in one.values)}, not {value!r}.")
        found[one.name] = value
    for name in ("S3_ENDPOINT", "SLACK_WEBHOOK"):
        if found[name] and not _is_web(_url(found[name])):
            raise WrongUse(f"{name} takes a URL, https://….")
    return found


def stores_of(values: Mapping[str, str]) -> Stores:
    """Where the settings say that sources lie and results go, and what opens them; nowhere, as long as nobody has said
    anything."""
    if values["STORAGE_DRIVER"] == "ftp":
        host = values["FTP_ADDR"].removeprefix("ftp://").partition("/")[0]
        ftp = FtpAccess(user=values["FTP_USERNAME"] or ANYBODY, password=values["FTP_PASSWORD"])
        return Stores(access=ftp, inbound=host, outbound=host)
    outbound, inbound = values["S3_OUTBOUND_BUCKET_REGION"], values["S3_INBOUND_BUCKET_REGION"]
    # The original looks at the first alone, so there are settings that work although the second was never filled in.
    apart = values["S3_PROVIDER"] != "custom" and inbound not in {"", outbound, USUAL["S3_INBOUND_BUCKET_REGION"]}
    return Stores(
        access=_s3(values, outbound),
        elsewhere=_s3(values, inbound) if apart else None,
        inbound=_bucket(values, "S3_INBOUND_BUCKET"),
        outbound=_bucket(values, "S3_OUTBOUND_BUCKET"),
        streaming=values["S3_STREAMING"] == "enabled",
    )


def _bucket(values: Mapping[str, str], name: str) -> str:
    """Its name; the usual one is nobody's or a stranger's, but where there is a key, or an endpoint of one's own."""
    own = values["S3_ACCESS_KEY"] or (values["S3_PROVIDER"] == "custom" and values["S3_ENDPOINT"])
    return values[name] if own or values[name] != USUAL[name] else ""


def _s3(values: Mapping[str, str], region: str) -> S3Access:
    endpoint = ""
    match values["S3_PROVIDER"]:
        case "custom":
            endpoint = _url(values["S3_ENDPOINT"])
        case "digitaloceanspaces" if region:
            endpoint = f"https://{region}.digitaloceanspaces.com"
    return S3Access(
        access_key_id=values["S3_ACCESS_KEY"],
        secret_access_key=values["S3_SECRET_KEY"],
        region=region or USUAL_REGION,
        endpoint=endpoint,
    )


def _url(endpoint: str) -> str:
    return endpoint if "://" in endpoint or not endpoint else f"https://{endpoint}"


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
