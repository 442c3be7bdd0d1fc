"""What happens, as a farm tells it: Server-Sent Events as an iterator that comes back where it was cut."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
from pydantic import TypeAdapter

from framemill.client.asking import Line, error_of, silence
from framemill.errors import FarmError

_SILENCE_SECONDS = 40.0  # a farm gives a sign of life every 15 s
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0
_JSON: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class Happened(NamedTuple):
    """Something that a stream told."""

    kind: str
    """`job.completed`, …, or `progress`."""
    seq: int | None
    """Of the event, for `after`; none: it is no event."""
    data: dict[str, Any]


class NoStream(Exception):
    """The farm answers, but does not stream: it, or what stands before it, is too old."""


def stream(line: Line, path: str, after: int | None, patience_seconds: float) -> Iterator[Happened]:
    """What happens, until the farm ends the stream. One that is cut is taken up again, for so long without an answer.

    Raises what the farm refuses, `FarmError` where it does not answer any more, `NoStream` where it does not stream.
    """
    known, pause, answered = after, _FIRST_PAUSE_SECONDS, time.monotonic()
    while True:
        try:
            for told in _once(line, path, known):
                answered, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
                if told is None:
                    continue
                known = known if told.seq is None else told.seq
                yield told
            return
        except httpx.TransportError as error:
            if time.monotonic() - answered > patience_seconds:
                raise FarmError(silence(line.url, error)) from None
        except _Restarting as error:
            if time.monotonic() - answered > patience_seconds:
                raise error.refused from None
        line.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


class _Restarting(Exception):
    def __init__(self, refused: Exception) -> None:
        super().__init__(str(refused))
        self.refused = refused


def _once(line: Line, path: str, after: int | None) -> Iterator[Happened | None]:
    """One connection; None: a sign of life."""
    headers = {"Accept": "text/event-stream", **({} if after is None else {"Last-Event-ID": str(after)})}
    timeout = httpx.Timeout(line.timeout, read=_SILENCE_SECONDS)
    with line.http.stream("GET", path, headers=headers, timeout=timeout) as answer:
        if answer.status_code == httpx.codes.NO_CONTENT:
            return
        if not answer.is_success:
            answer.read()
            refused = error_of(line.url, answer)
            if answer.is_server_error:
                raise _Restarting(refused)
            raise refused
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise NoStream
        yield None
        fields: dict[str, str] = {}
        for text in answer.iter_lines():
            if text and not text.startswith(":"):
                name, _, value = text.partition(":")
                fields[name] = fields.get(name, "") + value.removeprefix(" ")
            elif "data" in fields:
                seq = int(fields["id"]) if fields.get("id", "").isdecimal() else None
                yield Happened(fields.get("event", "message"), seq, _JSON.validate_json(fields["data"]))
                fields = {}
            else:
                fields = {}
                yield None
