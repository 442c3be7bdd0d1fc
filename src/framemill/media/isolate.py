"""Runs a function that reads hostile media in a child process that may die, hang or grow without hurting anybody.

The function, its argument and its result are named and typed by `Task`; both travel as JSON, so a child that was
taken over can hand back wrong facts but no code.
"""

import importlib
import sys
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from framemill import errors
from framemill.errors import ChildFailed, FramemillError
from framemill.media import ffmpeg

Request = TypeVar("Request", bound=BaseModel)
Answer = TypeVar("Answer", bound=BaseModel)

_MEMORY_BYTES = 8 << 30  # address space, not resident: libav maps generously
_FAILED = 3  # exit status of a child whose function raised one of our errors


@dataclass(frozen=True, slots=True)
class Task(Generic[Request, Answer]):
    """A function `module:name` that takes one model and returns another."""

    function: str
    request: type[Request]
    answer: type[Answer]

    async def __call__(self, request: Request, *, timeout: float) -> Answer:
        """Run it in a child. Raises `ChildFailed`, or the function's own error, by its class and message."""
        argv = [sys.executable, "-m", "framemill.media.isolate", self.function]
        try:
            finished = await ffmpeg.run(
                argv, stdin=request.model_dump_json().encode(), timeout=timeout, memory_bytes=_MEMORY_BYTES
            )
        except TimeoutError:
            raise ChildFailed(f"{self.function} did not end within {timeout:g} s; it was stopped.") from None
        if finished.status == _FAILED:
            raise _read(_Failure, finished.stdout, self.function).error()
        if finished.status != 0:
            how = f"was killed by signal {-finished.status}" if finished.status < 0 else f"ended with {finished.status}"
            raise ChildFailed(f"The process for {self.function} {how}: {finished.stderr.strip()[-500:]}")
        return _read(self.answer, finished.stdout, self.function)


def _read(kind: type[Answer], answer: bytes, function: str) -> Answer:
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


def main(function: str) -> int:
    """The child's side: read the request from stdin, write the answer to stdout."""
    module, _, name = function.partition(":")
    call = getattr(importlib.import_module(module), name)
    (request,) = (hint for key, hint in call.__annotations__.items() if key != "return")
    try:
        answer: BaseModel = call(TypeAdapter(request).validate_json(sys.stdin.buffer.read()))
    except FramemillError as error:
        sys.stdout.write(_Failure(kind=type(error).__name__, message=error.message).model_dump_json())
        return _FAILED
    sys.stdout.buffer.write(answer.model_dump_json().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
