"""Runs a function that reads hostile media in a child process that may die, hang or grow without hurting anybody.

The function, its argument and its result are named and typed by `Task`; both travel as JSON, so a child that was
taken over can hand back wrong facts but no code.
"""

import atexit
import importlib
import os
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from framemill import errors
from framemill.errors import ChildFailed, FramemillError
from framemill.media.confine import Bounds, limit
from framemill.media.forkserver import ForkServer
from framemill.media.process import Finished

Request = TypeVar("Request", bound=BaseModel)
Answer = TypeVar("Answer", bound=BaseModel)

_FAILED = 3  # exit status of a child whose function raised one of our errors
_READ = ("inspect", "damage", "verify", "pictureproof")
_WRITE = ("stitch", "package", "growing")
_TASKS = (*_READ, *_WRITE)
_NOTHING = 1 << 16  # bytes that whoever only reads may write: its last words
_server = ForkServer("framemill.media.isolate:handle", preload=tuple(f"framemill.media.{name}" for name in _TASKS))
atexit.register(_server.close)


def warm() -> None:
    """Make ready for the first task."""
    _server.warm()


@dataclass(frozen=True, slots=True)
class Task(Generic[Request, Answer]):
    """A function `module:name` that takes one model and returns another."""

    function: str
    request: type[Request]
    answer: type[Answer]

    async def __call__(self, request: Request, *, timeout: float) -> Answer:
        """Run it in a child. Raises `ChildFailed`, or the function's own error, by its class and message."""
        asked = f"{self.function}\n{request.model_dump_json()}".encode()
        try:
            finished = await _server.run(asked, timeout)
        except TimeoutError:
            raise ChildFailed(f"{self.function} did not end within {timeout:g} s; it was stopped.") from None
        return self._read(finished)

    def _read(self, finished: Finished) -> Answer:
        if finished.status == _FAILED:
            raise _parsed(_Failure, finished.stdout, self.function).error()
        if finished.status != 0:
            how = f"was killed by signal {-finished.status}" if finished.status < 0 else f"ended with {finished.status}"
            raise ChildFailed(f"The process for {self.function} {how}: {finished.stderr.strip()[-500:]}")
        return _parsed(self.answer, finished.stdout, self.function)


def _parsed(kind: type[Answer], answer: bytes, function: str) -> Answer:
    try:
        return kind.model_validate_json(answer)
    except ValidationError as error:
        raise ChildFailed(f"The process for {function} answered nonsense: {error.errors()[:1]}") from None


class _Failure(BaseModel):
    kind: str
    message: str

    def error(self) -> FramemillError:
        kind = getattr(errors, self.kind, ChildFailed)
        if not (isinstance(kind, type) and issubclass(kind, FramemillError)) or "__init__" in vars(kind):
            kind = ChildFailed  # no error of ours, or one that is made of more than a message
        return kind(self.message)


def handle() -> int:
    """The child's side: read the request from descriptor 0, write the answer to 1; the exit status."""
    with os.fdopen(0, "rb", closefd=False) as channel:
        function, _, asked = channel.read().partition(b"\n")
    module, _, name = function.decode().partition(":")
    if module.removeprefix("framemill.media.") in _READ:
        limit(Bounds(file_bytes=_NOTHING))
    call = getattr(importlib.import_module(module), name)
    (request,) = (hint for key, hint in call.__annotations__.items() if key != "return")
    try:
        answer: BaseModel = call(TypeAdapter(request).validate_json(asked))
        status = 0
    except FramemillError as error:
        answer = _Failure(kind=type(error).__name__, message=error.message)
        status = _FAILED
    with os.fdopen(1, "wb", closefd=False) as channel:
        channel.write(answer.model_dump_json().encode())
    return status
