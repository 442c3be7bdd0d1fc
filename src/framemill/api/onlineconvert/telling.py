"""What callbacks are told: the whole job, just as GET shows it. Pure but for what it reads."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from framemill.api.onlineconvert import mapping, statuses
from framemill.api.onlineconvert.answers import telling
from framemill.api.onlineconvert.kept import note_of
from framemill.api.onlineconvert.making import CHANGES, END
from framemill.jobs.model import Event
from framemill.jobs.telling import Message
from framemill.services.jobs import Shown
from framemill.services.schemes import Occasion, Scheme
from framemill.store.events import events_of


def body(occasion: Occasion) -> str | None:
    """The job as of a change of its status; none: what happened has not changed it."""
    shown, seals = occasion.shown, occasion.seals
    if shown is None or seals is None:
        return None
    events: list[Event] = occasion.facts or []
    code = next((row.code for row in statuses.history(events) if row.event.seq == occasion.number), None)
    if code is None:
        return None
    told = mapping.job(shown, telling(seals, note_of(shown.job).server, shown), code)
    return json.dumps(told, ensure_ascii=False)


def end(occasion: Occasion) -> str | None:
    """The same of one that is completed or has failed; who cancels it knows that."""
    return body(occasion) if occasion.kind in {"job.completed", "job.failed"} else None


def reads(conn: Connection, shown: Shown) -> list[Event]:
    """What happened to a job so far."""
    return events_of(conn, shown.job.id)


def signature(raw: bytes, secret: str) -> str:
    """Hex of HMAC-SHA256 over the body as it is sent."""
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def headers(message: Message, secrets: Sequence[str], _now: datetime) -> Mapping[str, str]:
    """Beside a message: its signature, where the account has set a secret for its callbacks."""
    if message.policy.sealed_secret is None:
        return {}
    return {"X-Oc-Signature": signature(message.body.encode(), secrets[0])}


SCHEMES: Mapping[str, Scheme] = {CHANGES: Scheme(body, headers, reads), END: Scheme(end, headers, reads)}
