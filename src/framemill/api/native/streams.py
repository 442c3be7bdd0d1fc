"""Routes of what happens: as a list, or as it happens (Server-Sent Events), of one job or of the whole account."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from framemill.api.asked import TheJobs
from framemill.api.auth import TheCaller, needs
from framemill.api.documented import MISSING
from framemill.api.native import mapping, schemas
from framemill.jobs.model import Event
from framemill.jobs.states import ENDED_JOB, JobState
from framemill.policy.callbacks import kind_of
from framemill.services.feed import Feed, Lagging, News, Progress
from framemill.services.jobs import Jobs, Shown
from framemill.store.queue import WORKING_JOB

routes = APIRouter(tags=["events"], dependencies=[Depends(needs("jobs:read"))])

ALIVE_SECONDS = 15.0
"""Between two signs of life, where nothing happens: proxies close what is silent for long."""
RETRY_MILLISECONDS = 2000
_PAGE = 200

After = Annotated[int, Query(ge=0, le=2**63 - 1, description="`seq` of the last event that is known.")]
FromNow = Annotated[
    int | None,
    Query(ge=0, le=2**63 - 1, description="`seq` of the last event that is known; none, streamed: from now."),
]
Streamed = Annotated[bool, Query(alias="stream", description="As they happen; so does `Accept: text/event-stream`.")]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="As a browser sends it when it comes back; instead of `after`."),
]
AS_THEY_HAPPEN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A list; or, streamed, Server-Sent Events",
        "content": {"text/event-stream": {"schema": {"type": "object"}}},
    },
    204: {"description": "Streamed, of a job that has ended: there is nothing more to come"},
}


class EventStream(StreamingResponse):
    """Server-Sent Events. Whoever goes away ends it at once, whatever the server promises of its own accord."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it; by the older protocol Starlette listens for the end of the connection all the time."""
        await super().__call__({**scope, "asgi": {**scope.get("asgi", {}), "spec_version": "2.3"}}, receive, send)


async def the_feed(request: Request) -> Feed:
    """The one of this application."""
    feed: Feed = request.app.state.feed
    return feed


TheFeed = Annotated[Feed, Depends(the_feed)]


@routes.get(
    "/jobs/{job_id}/events",
    summary="What happened to a job, oldest first; or what happens, as it happens",
    responses={**MISSING, **AS_THEY_HAPPEN},
    response_model=schemas.Events,
)
async def of_job(
    request: Request,
    job_id: str,
    jobs: TheJobs,
    feed: TheFeed,
    *,
    after: After = 0,
    stream: Streamed = False,
    last_event_id: LastEventId = None,
) -> schemas.Events | Response:
    """Every change of its state. Streamed: those after `after`, then what happens until the job has ended, named
    `job.completed` and so on; and `progress` every second while it is worked on."""
    shown = await asyncio.to_thread(jobs.shown, job_id)
    after = _known(last_event_id, after)
    if not _is_streamed(request, stream):
        found = await asyncio.to_thread(jobs.events, job_id, after)
        return mapping.events(found, mapping.secrets_in(shown.inputs))
    if shown.job.state in ENDED_JOB and not await asyncio.to_thread(jobs.events, job_id, after):
        return Response(status_code=204)
    return EventStream(_job_stream(feed, jobs, shown, after))


@routes.get(
    "/events",
    summary="What happened to the account's jobs; or what happens, as it happens",
    responses={200: AS_THEY_HAPPEN[200]},
    response_model=schemas.Happenings,
)
async def of_account(
    request: Request,
    caller: TheCaller,
    feed: TheFeed,
    *,
    after: FromNow = None,
    stream: Streamed = False,
    last_event_id: LastEventId = None,
) -> schemas.Happenings | Response:
    """Oldest first. Streamed, each is what a webhook is told, `{type, timestamp, data}`; its `id` is for `after`."""
    known = _known(last_event_id, after)
    if _is_streamed(request, stream):
        return EventStream(_account_stream(feed, caller.sees, known))
    news = await asyncio.to_thread(feed.history, known or 0, caller.sees, _PAGE, rendered=False)
    events = mapping.events([one.event for one in news], set()).data
    told = [{**dict(event), "job_id": one.event.job_id} for event, one in zip(events, news, strict=True)]
    return schemas.Happenings.model_validate({"data": told, "next_after": news[-1].event.seq if news else known})


async def _job_stream(feed: Feed, jobs: Jobs, shown: Shown, after: int) -> AsyncIterator[bytes]:
    job_id, secrets = shown.job.id, mapping.secrets_in(shown.inputs)
    yield format_sse_event(retry=RETRY_MILLISECONDS)
    async with feed.listening(job_id=job_id) as listener:
        state = shown.job.state
        for event in await asyncio.to_thread(jobs.events, job_id, after):
            state, after = _state_after(state, event), event.seq
            yield _job_event(event, secrets)
        while state not in ENDED_JOB:
            listener.running = state in WORKING_JOB
            try:
                told = await listener.next(ALIVE_SECONDS)
            except Lagging:
                return
            if told is None:
                yield format_sse_event(comment="alive")
            elif isinstance(told, Progress):
                yield _progress(told)
            elif told.event.seq > after:
                state, after = _state_after(state, told.event), told.event.seq
                yield _job_event(told.event, secrets)


async def _account_stream(feed: Feed, account: str | None, after: int | None) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RETRY_MILLISECONDS)
    async with feed.listening(account=account) as listener:
        known = after
        while known is not None:
            page = await asyncio.to_thread(feed.history, known, account, _PAGE)
            for one in page:
                yield _news(one)
                known = one.event.seq
            if len(page) < _PAGE:
                break
        while True:
            try:
                told = await listener.next(ALIVE_SECONDS)
            except Lagging:
                return
            if told is None:
                yield format_sse_event(comment="alive")
            elif isinstance(told, News) and told.event.seq > (known or 0):
                known = told.event.seq
                yield _news(told)


def _is_streamed(request: Request, stream: bool) -> bool:
    return stream or "text/event-stream" in request.headers.get("accept", "")


def _known(last_event_id: str | None, after: Any) -> Any:
    """Where to go on: what a browser says that comes back goes before what its page once asked for."""
    return int(last_event_id) if last_event_id is not None and last_event_id.isdecimal() else after


def _state_after(state: JobState, event: Event) -> JobState:
    return JobState(event.kind) if event.kind in set(JobState) else state


def _job_event(event: Event, secrets: set[str]) -> bytes:
    (told,) = mapping.events([event], secrets).data
    return format_sse_event(event=kind_of(event), id=str(event.seq), data_str=told.model_dump_json())


def _news(news: News) -> bytes:
    return format_sse_event(event=kind_of(news.event), id=str(news.event.seq), data_str=news.body or "{}")


def _progress(told: Progress) -> bytes:
    share = told.share
    if share is None and told.frames_planned:
        share = told.frames / told.frames_planned
    written = schemas.Progress(
        frames=told.frames,
        frames_planned=told.frames_planned,
        share=None if share is None else round(share, 4),
        frames_per_second=told.pace.frames_per_second,
        remaining_seconds=told.pace.remaining_seconds,
    )
    return format_sse_event(event="progress", data_str=written.model_dump_json())
