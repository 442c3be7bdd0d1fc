"""Which field of a request an error is about."""

import contextlib
from collections.abc import Iterator

from framemill.errors import FramemillError


@contextlib.contextmanager
def about(param: str) -> Iterator[None]:
    """What is raised inside is about that field of the request, or about a field in it."""
    try:
        yield
    except FramemillError as error:
        error.param = param if error.param is None else f"{param}.{error.param}"
        raise
