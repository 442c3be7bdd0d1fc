"""Playback: whoever may play is sent on to the bytes, by a link whose end is the token's.

That link's path holds its permission, so playlists' relative addresses carry it to every variant and segment. These
routes take no key, and stand open to pages of any origin, as players live on those.
"""

import asyncio
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from framemill.api.asked import Parts, TheWriter
from framemill.api.devstreamcore import ids
from framemill.api.devstreamcore.play_urls import VIEWS, audience
from framemill.api.urls import base_url
from framemill.services.signing_keys import Ticket
from framemill.services.watching import Watching, Wish, viewed
from framemill.storage.content import content_type

_DAY_SECONDS = 24 * 3600
_NOT_KEPT = {"Cache-Control": "no-store"}


class _Open(APIRoute):
    """A route that pages of any origin may ask; also what it refuses, they may read."""

    @cached_property
    def _open_to_all(self) -> CORSMiddleware:
        return CORSMiddleware(
            super().handle,
            allow_origins=["*"],
            allow_methods=["GET", "HEAD"],
            allow_headers=["*"],
            expose_headers=["Location", "X-Request-Id"],
            max_age=_DAY_SECONDS,
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        await self._open_to_all(scope, receive, send)


routes = APIRouter(prefix="/v1/play", route_class=_Open, include_in_schema=False)

Height = Annotated[int, Path(ge=1, le=16384)]
Token = Annotated[str | None, Query(description="JSON web token (RS256), where the playback's policy is signed.")]


class _Player:
    """Sends somebody on."""

    def __init__(self, request: Request, play_id: str, parts: Parts, writer: TheWriter, token: Token = None) -> None:
        self._request = request
        self._play_id = play_id
        self._parts = parts
        self._writer = writer
        self._token = token

    async def to(self, wish: Wish) -> Response:
        """To what they wish, where they may have it; that playing begins is counted."""
        if self._request.method == "OPTIONS":  # of no page: its preflight was answered before
            return Response(status_code=204, headers={"Allow": "GET, HEAD, OPTIONS"})
        parts, request = self._parts, self._request
        ticket = Ticket(
            token=self._token, subject=self._play_id, audience=audience(wish), key_prefix=ids.SIGNING_KEY
        )  # fmt: skip
        watching = Watching(parts.database, parts.files, parts.seals)
        base = base_url(request, parts)
        watch = await asyncio.to_thread(watching.link, ids.playback_of(self._play_id), wish, ticket, base)
        if wish.kind in VIEWS and request.method == "GET" and _from_the_start(request):
            await self._writer.write(lambda conn: viewed(conn, watch, datetime.now(UTC)))
        if watch.manifest is not None:
            kind = content_type("a.mpd" if wish.kind == "dash" else "a.m3u8")
            return Response(watch.manifest, media_type=kind, headers=_NOT_KEPT)
        return RedirectResponse(watch.url, 302, headers=_NOT_KEPT)


ThePlayer = Annotated[_Player, Depends(_Player)]


def _from_the_start(request: Request) -> bool:
    """Whether it is no later part of what is being played already."""
    return request.headers.get("range", "bytes=0-").replace(" ", "").startswith("bytes=0-")


@routes.api_route("/{play_id}.m3u8", methods=["GET", "HEAD", "OPTIONS"])
async def hls(player: ThePlayer) -> Response:
    """The HLS playlist."""
    return await player.to(Wish("hls"))


@routes.api_route("/{play_id}.mpd", methods=["GET", "HEAD", "OPTIONS"])
async def dash(player: ThePlayer) -> Response:
    """The DASH manifest."""
    return await player.to(Wish("dash"))


@routes.api_route("/{play_id}/{height}p.mp4", methods=["GET", "HEAD", "OPTIONS"])
async def mp4(player: ThePlayer, height: Height) -> Response:
    """A rendition as one file."""
    return await player.to(Wish("file", height))


@routes.api_route("/{play_id}/{height}p.m3u8", methods=["GET", "HEAD", "OPTIONS"])
async def rendition(player: ThePlayer, height: Height) -> Response:
    """The HLS playlist of one rendition."""
    return await player.to(Wish("rendition", height))


@routes.api_route("/{play_id}/audio.m4a", methods=["GET", "HEAD", "OPTIONS"])
async def sound(player: ThePlayer) -> Response:
    """The one file of a video without pictures."""
    return await player.to(Wish("sound"))


@routes.api_route("/{play_id}/thumbnail.jpg", methods=["GET", "HEAD", "OPTIONS"])
async def thumbnail(player: ThePlayer) -> Response:
    """A picture of it."""
    return await player.to(Wish("thumbnail"))


@routes.api_route("/{play_id}/source", methods=["GET", "HEAD", "OPTIONS"])
async def source(player: ThePlayer) -> Response:
    """The original."""
    return await player.to(Wish("source"))
