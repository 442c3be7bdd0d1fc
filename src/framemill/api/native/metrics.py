"""What a scraper reads: `/metrics`, in Prometheus's text format; and `/stats`, about the same for people."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from framemill.api.asked import Parts, live_status
from framemill.api.auth import TheCaller, caller_of, needs
from framemill.api.counting import HttpCounts
from framemill.api.documented import DOCUMENTED
from framemill.api.native import mapping
from framemill.api.native import probe_schemas as told
from framemill.jobs.states import ACTIVE_JOB
from framemill.services.farm import Standing, counted, standing

routes = APIRouter()
stats_routes = APIRouter(tags=["farm"], dependencies=[Depends(needs("jobs:read"))])


@stats_routes.get("/stats", summary="How much there is and was to do")
async def stats(parts: Parts, caller: TheCaller) -> told.Stats:
    """Jobs by state and what became of the last ones; slots and backlog for keys with the scope `farm:read`."""
    now = datetime.now(UTC)
    reading = asyncio.to_thread(counted, parts.database, caller.sees, now)
    if "farm:read" not in caller.scopes:
        return mapping.stats(await reading, None, None)
    found, (live, message) = await asyncio.gather(reading, live_status(parts))
    return mapping.stats(found, live, message)


async def may_scrape(request: Request, parts: Parts) -> None:
    """Whoever may see the farm; everybody, where its operator wants it so."""
    if not parts.metrics_open:
        (await caller_of(request)).need("farm:read")


@routes.get(
    "/metrics",
    summary="Figures for Prometheus",
    tags=["farm"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **DOCUMENTED},
    openapi_extra={"security": [{"bearer": []}, {"key": []}]},
    dependencies=[Depends(may_scrape)],
)
async def metrics(request: Request, parts: Parts) -> Response:
    """For a key with the scope `farm:read`; for everybody where `FRAMEMILL_METRICS_OPEN` is set.

    Requests are those of all replicas of the machine, added up. `framemill_up` is 0 while the coordinator does not
    answer: then only what the store knows is told.
    """
    began = time.perf_counter()
    known = await asyncio.to_thread(standing, parts.database, datetime.now(UTC))
    read_seconds = time.perf_counter() - began
    live, _ = await live_status(parts)
    counts: HttpCounts = request.app.state.counts
    text = await asyncio.to_thread(_written, counts, _FarmFigures(known, live, read_seconds))
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _written(*collectors: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    for one in collectors:
        registry.register(one)
    return generate_latest(registry)


@dataclass(frozen=True, slots=True, eq=False)
class _FarmFigures(Collector):
    known: Standing
    live: Mapping[str, Any] | None
    read_seconds: float

    def collect(self) -> Iterator[Metric]:
        by_state = GaugeMetricFamily("framemill_jobs", "Jobs that have not ended, by state.", labels=["state"])
        for state in sorted(ACTIVE_JOB):
            by_state.add_metric([state], self.known.jobs.get(state, 0))
        yield by_state
        yield _gauge("framemill_paused", "Whether the operator has paused the farm.", self.known.paused)
        yield _gauge("framemill_store_read_seconds", "Time of one look into the database.", self.read_seconds)
        yield _gauge("framemill_up", "Whether the coordinator answers.", self.live is not None)
        if self.live is None:
            return
        for name, about, key in _GAUGES:
            if self.live.get(key) is not None:
                yield _gauge(name, about, self.live[key])
        yield _gauge("framemill_workers", "Workers and stitchers that report.", len(self.live.get("workers") or ()))
        for name, about, key in _COUNTERS:
            counted_so_far = (self.live.get("counters") or {}).get(key)
            if counted_so_far is not None:
                yield CounterMetricFamily(name, about, value=counted_so_far)


_GAUGES = (
    ("framemill_slots", "Encodes that fit side by side.", "slots"),
    ("framemill_slots_busy", "Those under way.", "busy"),
    ("framemill_tasks_waiting", "Tasks that wait for a slot.", "waiting_tasks"),
    ("framemill_backlog_seconds", "Until all that waits would be encoded.", "backlog_seconds"),
    ("framemill_jobs_queued", "Jobs that wait to be begun.", "queued_jobs"),
    ("framemill_jobs_active", "Jobs that are worked on.", "active_jobs"),
    ("framemill_encode_frames_per_second", "Frames encoded in the last minute, a second.", "frames_per_second"),
    ("framemill_disk_free_bytes", "Free bytes on the farm's disk.", "free_bytes"),
)
_COUNTERS = (
    ("framemill_chunks_encoded", "Chunks encoded since the coordinator began.", "chunks_encoded"),
    ("framemill_chunks_reused", "Chunks that another job had encoded.", "chunks_reused"),
    ("framemill_chunks_retried", "Tries of chunks that came to nothing.", "chunks_retried"),
    ("framemill_frames_encoded", "Frames encoded.", "frames_encoded"),
    ("framemill_encode_slot_seconds", "Seconds that slots have encoded.", "encode_slot_seconds"),
)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=float(value))
