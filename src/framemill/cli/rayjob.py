"""`framemill encode` as the entrypoint of a Ray job (`ray job submit … -- framemill encode …`) on the farm's own Ray.

The farm's paths are ours, since Ray starts entrypoints on the head. A relative path is another thing: it is one of the
job's `working_dir`, in a folder that Ray made for this job and removes when it likes. So such a source is sent to the
farm, and the farm keeps what shall go there.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import click

from framemill.config import ray_job
from framemill.errors import SourceMissing

#: What our exit codes mean: `ray job submit` itself ends with 1 for all but the first.
_ENDS = {0: "done", 1: "failed", 2: "wrong use", 130: "interrupted"}


def job_metadata() -> dict[str, Any]:
    """What a farm's job remembers of the Ray job that it was submitted by; nothing where there is none."""
    found = ray_job()
    return {} if found is None else {"metadata": {"ray_job": found}}


def of_the_job(paths: Sequence[str]) -> bool:
    """Whether this is a Ray job, and one of the paths means a file in its folder."""
    return ray_job() is not None and any(_is_relative(path) for path in paths)


def as_from_afar(source: str, destination: str, join: Sequence[str]) -> tuple[str, str, list[str]]:
    """The same with the farm's own paths as `file:///…`; sources are sent together, or not at all."""
    sources = (source, *join)
    if all(os.path.isabs(one) for one in sources):
        sources = tuple(_as_theirs(one) for one in sources)
    return sources[0], destination if _is_relative(destination) else _as_theirs(destination), list(sources[1:])


@contextlib.contextmanager
def hinting() -> Iterator[None]:
    """Say where relative paths lead, when there is nothing."""
    try:
        yield
    except SourceMissing as error:
        raise SourceMissing(
            f"{error.message} In a Ray job a relative path is one of its working_dir: "
            "`ray job submit --working-dir FOLDER …`."
        ) from None


def tell_kept(path: str, job_id: str) -> None:
    """Say that what was written to a relative path does not stay there, where this is a Ray job."""
    if ray_job() is not None:
        click.echo(
            f"framemill: {path} lies in the folder of this Ray job, which Ray removes. The farm keeps it, too: "
            f"`framemill jobs download {job_id} -o FILE`. Give -o an absolute path, or a URL, for a place that stays.",
            err=True,
        )


def tell_end(code: int) -> None:
    """The last line of a Ray job's log: our exit code, which Ray does not pass on."""
    if ray_job() is not None:
        click.echo(f"framemill: exit {code}" + (f" ({_ENDS[code]})" if code in _ENDS else ""), err=True)


def _is_relative(path: str) -> bool:
    return not os.path.isabs(path) and "://" not in path


def _as_theirs(path: str) -> str:
    return path if urlsplit(path).scheme and "://" in path else "file://" + quote(os.fsencode(path), safe="/")
