"""What a front door is: an API of other words over the same farm, served below a path, or at a host name of its own.

A door is a package beside this module, and a line in `doors.py`. It has routes, the way it writes refusals, and a
scheme by which it tells the world. Its routes are handed what the native ones are (`asked.py`): who asks, the jobs that
they may see, the writer; it maps its words to ours and back, and decides nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from framemill.api import errors
from framemill.api.auth import KNOWS, Knows
from framemill.api.idempotency import Idempotency
from framemill.api.parts import ApiParts
from framemill.api.routing import include
from framemill.api.urls import AT_ROOT, base_url
from framemill.api.wire import Foreseen
from framemill.errors import FramemillError, InvalidSetting
from framemill.services.idempotency import Once
from framemill.services.links import MOUNT
from framemill.services.schemes import Scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A front door."""

    name: str
    """As jobs know it, and `FRAMEMILL_HOSTS`."""
    title: str
    routers: tuple[APIRouter, ...]
    write: errors.Write
    """Writes what went wrong in the door's words."""
    schemes: Mapping[str, Scheme] = field(default_factory=dict)
    """How it tells its clients, by the name that a callback's policy has for it."""
    once: Mapping[str, Any] = field(default_factory=dict)
    """How it keeps its word of one result for one `Idempotency-Key` (arguments of `Idempotency`)."""
    prices: Callable[[Mapping[str, Any]], object] | None = None
    """Reads the operator's `[tariffs.NAME]`; none: it has no prices of its own. Raises `InvalidSetting`."""
    settings: Callable[[Mapping[str, Any]], object] | None = None
    """Reads the operator's `[doors.NAME]`; none: nothing but `active_jobs` can be set. Raises `InvalidSetting`."""
    path: str = ""
    """Where its clients look for it, `/v2`; empty: below its name."""
    knows: Knows | None = None
    """Who asks, by credentials of its own; none: by the farm's keys, as everywhere."""
    any_type: bool = False
    """Its `routers` read bodies as JSON, whatever their Content-Type calls them."""
    bytes: tuple[APIRouter, ...] = ()
    """Routes by which much is sent or fetched: they are at `bytes_url`, in the application of bytes, and have no
    `Idempotency-Key`."""

    @property
    def mount(self) -> str:
        """The path that it is found at."""
        return self.path or f"/{self.name}"


def opened(door: Door, state: State, once: Once) -> FastAPI:
    """The application of a door, over the parts of the native one."""
    # No redirects: some clients take their key along wherever they are sent.
    app = FastAPI(title=door.title, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state = state
    errors.install(app, door.write)
    include(app, *door.routers)
    if door.any_type:
        app.add_middleware(AsJson)

    def refuse(request: Request, error: FramemillError) -> Response:
        return door.write(request, errors.refused(request, error), error)

    app.add_middleware(Idempotency, once=once, prefix="/", refuse=refuse, **door.once)
    app.add_middleware(Foreseen, write=door.write)
    app.add_middleware(Introduced, knows=door.knows)
    return app


def opened_for_bytes(door: Door, state: State) -> FastAPI:
    """The same of what is sent to it and fetched there, over the parts of the application of bytes."""
    app = FastAPI(title=door.title, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state = state
    errors.install(app, door.write)
    include(app, *door.bytes)
    app.add_middleware(Foreseen, write=door.write)
    app.add_middleware(Introduced, knows=door.knows)
    return app


class AsJson:
    """Has each body be read as JSON: some clients send that under another type, or under none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http" and scope["method"] in {"POST", "PATCH", "PUT"}:
            kept = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            scope["headers"] = [*kept, (b"content-type", b"application/json")]
        await self._app(scope, receive, send)


class Introduced:
    """Has whoever asks be known by the door's own credentials, where it has any."""

    def __init__(self, app: ASGIApp, *, knows: Knows | None) -> None:
        self._app = app
        self._knows = knows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if self._knows is not None and scope["type"] == "http":
            scope.setdefault("state", {})[KNOWS] = self._knows
        await self._app(scope, receive, send)


def mounts_of(hosts: Mapping[str, str], doors: Sequence[Door]) -> dict[str, str]:
    """Paths of doors by the host name at whose root they are. Raises `InvalidSetting` for a door that there is not."""
    mounts = {door.name: door.mount for door in doors}
    for host, name in hosts.items():
        if name not in mounts:
            whose = "every host name" if host == "*" else host
            raise InvalidSetting(f"Setting hosts: {whose} is for {name!r}; there are: {', '.join(sorted(mounts))}.")
    return {host: mounts[name] for host, name in hosts.items()}


def refuse_unfit_tariffs(tariffs: Mapping[str, Mapping[str, Any]], doors: Sequence[Door]) -> None:
    """Raise `InvalidSetting` for prices of a door that has none, or that do not fit."""
    priced = {door.name: door.prices for door in doors if door.prices is not None}
    for name, table in tariffs.items():
        if name not in priced:
            there = ", ".join(sorted(priced)) or "none"
            raise InvalidSetting(f"Setting tariffs.{name}: no API here has prices under that name; there are: {there}.")
        priced[name](table)


def refuse_unfit_settings(settings: Mapping[str, Mapping[str, Any]], doors: Sequence[Door]) -> None:
    """Raise `InvalidSetting` for settings of a door that is not there, or that do not fit."""
    there = {door.name: door.settings for door in doors}
    for name, table in settings.items():
        if name not in there:
            raise InvalidSetting(f"Setting doors.{name}: there is no such API; there are: {', '.join(sorted(there))}.")
        limit, read = table.get("active_jobs", 1), there[name]
        if not str(limit).isdecimal() or int(limit) < 1:
            raise InvalidSetting(f"Setting doors.{name}.active_jobs: it is a number from 1 on, not {limit!r}.")
        rest = {key: value for key, value in table.items() if key != "active_jobs"}
        if read is not None:
            read(rest)
        elif rest:
            raise InvalidSetting(f"Setting doors.{name}.{next(iter(rest))}: that API has no such setting.")


def door_url(request: Request, mount: str) -> str:
    """What absolute URLs of the door at that path begin with, as the client has asked for it; without a slash at its
    end."""
    parts: ApiParts = request.app.state.parts
    at_root = request.scope.get(AT_ROOT) == mount and parts.public_url is None
    return base_url(request, parts) + ("" if at_root else mount)


def bytes_url(request: Request, mount: str) -> str:
    """What absolute URLs of its `bytes` begin with, likewise; they are the same at a host name of its own."""
    parts: ApiParts = request.app.state.parts
    return f"{base_url(request, parts)}{MOUNT}{mount}"
