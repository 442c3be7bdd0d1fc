"""Makes messages of events: whoever wants to hear of an event gets one, whose body is the job as of then."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from framemill.errors import WrongUse
from framemill.jobs.model import CallbackPolicy, Event, Job
from framemill.jobs.telling import Message, Webhook
from framemill.policy.callbacks import TEST, as_of, callback_hears, kind_of, webhook_hears
from framemill.sealing import Seals
from framemill.services.jobs import Shown
from framemill.services.schemes import Occasion, Scheme
from framemill.storage.guard import host_of
from framemill.store import doors
from framemill.store import webhooks as webhook_rows
from framemill.store.deliveries import load_deliveries
from framemill.store.events import untold
from framemill.store.jobs import load_bare_job, load_job

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Events of one round."""


@dataclass(frozen=True, slots=True)
class Round:
    """Events, and what is to be sent because of them."""

    seqs: Sequence[int]
    messages: Sequence[Message]

    @property
    def full(self) -> bool:
        """Whether there may be more."""
        return len(self.seqs) == AT_ONCE


def next_round(conn: Connection, schemes: Mapping[str, Scheme], now: datetime, seals: Seals | None = None) -> Round:
    """The oldest events that were not told yet, and their messages; `seals`: what schemes may sign in them with."""
    events = untold(conn, AT_ONCE)
    jobs = {job.id: job for job in (load_bare_job(conn, job_id) for job_id in {one.job_id for one in events}) if job}
    hooks = webhook_rows.enabled_webhooks(conn, {job.account for job in jobs.values()}) if jobs else []
    heard = [
        (event, receivers)
        for event in events
        if event.job_id in jobs and (receivers := _receivers(event, jobs[event.job_id], hooks, schemes))
    ]
    shown = shown_of(conn, {event.job_id for event, _ in heard})
    messages = [
        message
        for event, receivers in heard
        if event.job_id in shown
        for message in _messages(conn, event, shown[event.job_id], receivers, schemes, now, seals)
    ]
    return Round([event.seq for event in events], messages)


def test_message(webhook: Webhook, scheme: Scheme, now: datetime) -> Message:
    """What is sent to see whether a webhook's receiver takes it."""
    return Message(
        account=webhook.account,
        webhook_id=webhook.id,
        stream=f"{webhook.id}:test",
        kind=TEST,
        host=host_of(webhook.url),
        url=webhook.url,
        sealed_url=webhook.sealed_url,
        policy=webhook.policy,
        body=scheme.body(Occasion(TEST, now)) or "",
        # One that is disabled is tried once nevertheless: that is how its owner finds out whether it is repaired.
        by_hand=not webhook.policy.trials_count or webhook.disabled_at is not None,
        created_at=now,
        due_at=now,
    )


@dataclass(frozen=True, slots=True)
class _Receiver:
    name: str
    webhook_id: str | None
    url: str
    sealed_url: str | None
    policy: CallbackPolicy


def _receivers(event: Event, job: Job, hooks: Sequence[Webhook], schemes: Mapping[str, Scheme]) -> list[_Receiver]:
    kind = kind_of(event)
    found = [
        _Receiver(
            f"callback {rank}",
            None,
            one.url,
            one.sealed_url,
            CallbackPolicy.model_validate(one.model_dump(include=set(CallbackPolicy.model_fields))),
        )
        for rank, one in enumerate(job.callbacks)
        if callback_hears(one, event)
    ]
    found += [
        _Receiver(hook.id, hook.id, hook.url, hook.sealed_url, hook.policy)
        for hook in hooks
        if hook.account == job.account and webhook_hears(hook, kind, job.door)
    ]
    return [one for one in found if one.policy.scheme in schemes and _can_be_reached(one.url)]


def _can_be_reached(url: str) -> bool:
    """One that cannot would hold up all others for ever."""
    try:
        return bool(host_of(url))
    except WrongUse:
        return False


def _messages(  # noqa: PLR0917
    conn: Connection,
    event: Event,
    shown: Shown,
    receivers: Sequence[_Receiver],
    schemes: Mapping[str, Scheme],
    now: datetime,
    seals: Seals | None,
) -> list[Message]:
    """One for each receiver; receivers of one scheme are told in the same words."""
    occasion = Occasion(kind_of(event), event.at, shown_as_of(shown, event), event.seq, seals=seals)
    try:
        occasions = {name: _read(conn, schemes[name], occasion) for name in {one.policy.scheme for one in receivers}}
        bodies = {name: schemes[name].body(told) for name, told in occasions.items()}
    except Exception:  # a fault of ours, which the next try would meet again
        log.exception("event %d of %s cannot be told", event.seq, event.job_id, extra={"action": "event_untellable"})
        return []
    return [
        Message(
            account=shown.job.account,
            webhook_id=one.webhook_id,
            job_id=shown.job.id,
            stream=f"{one.name}:{shown.job.id}",
            kind=occasion.kind,
            host=host_of(one.url),
            url=one.url,
            sealed_url=one.sealed_url,
            policy=one.policy,
            body=body,
            created_at=now,
            due_at=now,
        )
        for one in receivers
        if (body := bodies[one.policy.scheme]) is not None
    ]


def _read(conn: Connection, scheme: Scheme, occasion: Occasion) -> Occasion:
    """The occasion, with what the scheme has to know beside."""
    if scheme.reads is None or occasion.shown is None:
        return occasion
    return replace(occasion, facts=scheme.reads(conn, occasion.shown))


def shown_as_of(shown: Shown, event: Event) -> Shown:
    """The job as it was when the event happened."""
    then = as_of(shown.job, event)
    return Shown(
        then, shown.inputs, shown.outputs, None, shown.deliveries, shown.frames, shown.frames_planned
    )  # fmt: skip


def shown_of(conn: Connection, job_ids: Collection[str]) -> dict[str, Shown]:
    """Those of the jobs that there are, by id, with all their parts."""
    frames = doors.frames_of_jobs(conn, sorted(job_ids)) if job_ids else {}
    found = {}
    for job_id in job_ids:
        loaded = load_job(conn, job_id)
        if loaded is not None:
            job, inputs, outputs = loaded
            deliveries = [row for row in load_deliveries(conn, job_id) if row.attempt == job.attempt]
            found[job_id] = Shown(job, inputs, outputs, None, deliveries, *frames.get(job_id, (0, 0)))
    return found
