"""What the native API tells the world, as Standard Webhooks have it: `{type, timestamp, data}`. Pure."""

import json
from datetime import UTC, datetime
from typing import Any

from framemill.api.native import mapping
from framemill.services.jobs import Shown
from framemill.services.schemes import Occasion, Scheme
from framemill.services.signing import standard_headers

BODY_BYTES = 512 << 10
"""Of a message at most: a job that is larger is told by its id and its state alone."""
_SMALL = ("id", "state", "attempt", "reason", "message", "door", "created_at", "started_at", "ended_at")


def body(occasion: Occasion) -> str:
    """The message in JSON: `data` is the job as `GET /v1/jobs/{id}` shows it."""
    data = {} if occasion.shown is None else job(occasion.shown)
    written = _written(occasion, data)
    if len(written) > BODY_BYTES:
        written = _written(occasion, {name: data[name] for name in _SMALL} | {"shortened": True})
    return written


def job(shown: Shown) -> dict[str, Any]:
    """A job as JSON, with every secret masked."""
    return mapping.job(shown).model_dump(mode="json")


def moment(at: datetime) -> str:
    """RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _written(occasion: Occasion, data: dict[str, Any]) -> str:
    told = {"type": occasion.kind, "timestamp": moment(occasion.at), "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


SCHEME = Scheme(body, standard_headers)
