"""What the Slack channel of the settings is told of a job's end, as an incoming webhook takes it. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from framemill.api.openencoder.job_mapping import guid_of, note_of
from framemill.jobs.telling import Message
from framemill.secrets import mask
from framemill.services.callbacks import CallbackRequest
from framemill.services.jobs import Shown
from framemill.services.schemes import Occasion, Scheme

NAME = "openencoder-slack"
"""Of the scheme."""

_TITLES = MappingProxyType(
    {"job.completed": "*Encode Successful!* :tada:", "job.failed": "*Encode Failed!* :rotating_light:"}
)
"""What is told; that somebody has cancelled a job they know."""


def callback(url: str) -> CallbackRequest:
    """Whom a job tells of its end. Whoever has the URL may post there, so nobody is shown it."""
    return CallbackRequest(url=url, scheme=NAME, on="end", refusal_is_final=True, secret_path=True)


def body(occasion: Occasion) -> str | None:
    """The message in JSON; none: there is nothing to say of that."""
    title = _TITLES.get(occasion.kind)
    if title is None or occasion.shown is None:
        return None
    return json.dumps({"text": "\n".join([title, *_lines(occasion.shown)])}, ensure_ascii=False)


def _lines(shown: Shown) -> list[str]:
    job, note = shown.job, note_of(shown.job)
    said = {"Job ID": guid_of(job.id), "Preset": note.preset, "Source": note.source, "Destination": note.dest}
    if job.message:
        said["Error"] = mask(job.message)
    return [f"*{name}*: {_plain(value)}" for name, value in said.items()]


def _plain(text: str) -> str:
    """Without what Slack would read as a link or a mention (https://api.slack.com/reference/surfaces/formatting)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def headers(_message: Message, _secrets: Sequence[str], _now: datetime) -> Mapping[str, str]:
    """Nothing: the URL is the secret."""
    return {}


SCHEMES: Mapping[str, Scheme] = {NAME: Scheme(body, headers)}
