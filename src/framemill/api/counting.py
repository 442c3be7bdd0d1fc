"""Counts requests, and adds up what the replicas of one machine have counted.

A scraper reaches another replica each time. So each replica leaves what it has counted in a file of its own, two
seconds after a request at the latest, and whoever is asked adds its own figures to those of the files. What a replica
has counted that is no more stays in its file; the figures never go down until the farm is deployed anew.
"""

import asyncio
import contextlib
import json
import os
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framemill.api.urls import route_path

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Seconds."""
WRITE_SECONDS = 2.0
_NOWHERE = "(none)"


class Sample(NamedTuple):
    """A figure of a metric."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class HttpCounts(Collector):
    """What this replica, and those beside it, have answered."""

    def __init__(self, folder: Path | None) -> None:
        """`folder`: where the replicas of this machine leave their figures; none: there is but this one."""
        self._own = CollectorRegistry()
        self._requests = Counter(
            "framemill_http_requests", "Requests answered.", ["method", "route", "status"], registry=self._own
        )
        self._seconds = Histogram(
            "framemill_http_request_seconds",
            "Time to the end of the answer.",
            ["method", "route"],
            buckets=BUCKETS,
            registry=self._own,
        )
        self._file = None if folder is None else folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
        self._writing: asyncio.TimerHandle | None = None

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; on the event loop."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        if self._file is not None and self._writing is None:
            loop = asyncio.get_running_loop()
            self._writing = loop.call_later(WRITE_SECONDS, self._write_soon, loop)

    def collect(self) -> Iterator[Metric]:
        """The figures of all replicas, added up; reads files."""
        found: dict[tuple[str, str, str], dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for family, samples in (*_told(self._own.collect()), *self._others()):
            sums = found.setdefault(family, defaultdict(float))
            for name, labels, value in samples:
                sums[name, labels] += value
        for (name, documentation, kind), sums in found.items():
            metric = Metric(name, documentation, kind)
            for (sample, labels), value in sums.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric

    def write(self) -> None:
        """Leave the figures for the other replicas."""
        if self._file is None:
            return
        told = [[list(family), [list(sample) for sample in samples]] for family, samples in _told(self._own.collect())]
        part = self._file.with_suffix(".part")
        with contextlib.suppress(OSError):  # the disk is full: figures are the least of it
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(told))
            part.replace(self._file)

    def _write_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        self._writing = None
        loop.run_in_executor(None, self.write)

    def _others(self) -> Iterator[tuple[tuple[str, str, str], list[Sample]]]:
        if self._file is None:
            return
        for path in self._file.parent.glob("*.json"):
            if path == self._file:
                continue
            with contextlib.suppress(OSError, ValueError, TypeError):
                for (name, documentation, kind), samples in json.loads(path.read_text()):
                    told = [
                        Sample(one, tuple((key, label) for key, label in labels), value)
                        for one, labels, value in samples
                    ]
                    yield (name, documentation, kind), told


def _told(metrics: Iterable[Metric]) -> Iterator[tuple[tuple[str, str, str], list[Sample]]]:
    for metric in metrics:
        samples = [
            Sample(one.name, tuple(sorted(one.labels.items())), one.value)
            for one in metric.samples
            if not one.name.endswith("_created")
        ]
        yield (metric.name, metric.documentation, metric.type), samples


class Counting:
    """Counts every request by its route, method and status."""

    def __init__(self, app: ASGIApp, *, counts: HttpCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "(other)"
            self._counts.count(method, _route(scope), status, time.perf_counter() - began)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _route(scope: Mapping[str, Any]) -> str:
    """As it is written, `/v1/jobs/{job_id}`: there are few of them, whatever is asked for."""
    written: str | None = getattr(scope.get("route"), "path", None)
    if written is None:
        return _NOWHERE
    asked = route_path(scope).split("/")
    above = len(asked) - written.count("/")  # the folder that the route's own router is mounted at
    return "/".join(asked[:above]) + written
