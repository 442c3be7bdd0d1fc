"""`framemill encode` on a farm of another machine: the source is sent there, and the result fetched from it."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from framemill.cli.encode import Bar, show_result, terminated_as_interrupted
from framemill.cli.farm import speak_to
from framemill.cli.finding import Address
from framemill.cli.onfarm import input_of, seen_through, target_of
from framemill.cli.printing import print_json
from framemill.cli.rayjob import job_metadata, tell_kept
from framemill.client import Framemill
from framemill.config import cache_dir
from framemill.errors import Conflict, NotFound, WrongUse
from framemill.services.requests import EncodeRequest, Openers, encode_request, place_of
from framemill.storage.address import is_remote

Show = Callable[[int, int | None], None]


def encode_afar(
    address: Address,
    source: str,
    destination: str,
    preset: str | None,
    assignments: dict[str, str],
    *,
    as_json: bool,
    detach: bool,
    words: Sequence[str] = (),
    join: Sequence[str] = (),
    openers: Openers = Openers(),  # noqa: B008 (immutable)
) -> int:
    """Send the source, submit the job, see it to its end unless `detach`, fetch the result; the exit code."""
    from_there, to_there = their_path(source), their_path(destination)
    fetched = to_there is None and not is_remote(destination)  # nothing comes here of what is put elsewhere
    further = [their_path(one) for one in join]
    if any((one is None) is not (from_there is None) for one in further):
        raise WrongUse("Sources that are joined are all of this machine, or all of the farm's (file:///…).")
    request = encode_request(
        *(from_there or source, to_there or destination, preset, assignments, words),
        join=[there or here for there, here in zip(further, join, strict=True)],
        source_here=from_there is None,
        destination_here=to_there is None,
        openers=openers,
    )
    with speak_to(address) as farm, terminated_as_interrupted(), Bar(show=not as_json) as bar:
        asked = {
            "inputs": [
                _input(farm, request, one, bar, here=from_there is None) for one in (request.source, *request.join)
            ],
            "outputs": [_output(request, here=fetched)],
            "run": request.run.model_dump(mode="json"),
            **job_metadata(),
        }
        if detach:
            job = farm.submit(asked)
            print_json(job.model_dump(mode="json")) if as_json else click.echo(job.id)
            return 0
        row = seen_through(farm, asked, bar)
        if row["state"] == "completed" and fetched:
            place = place_of(request.output, request.destination)
            target = farm.download(row["output_id"], place, shows(bar, "downloading"))
            row["report"]["outputs"][0]["path"] = str(target)
            tell_kept(destination, row["id"])
    show_result(row, as_json=as_json)
    return 0 if row["state"] == "completed" else 1


def their_path(path: str) -> str | None:
    """The path on the farm's machine that `file:///…` means; none: it is one of this machine, or no path."""
    parts = urlsplit(path)
    return unquote(parts.path) if parts.scheme == "file" and parts.netloc in {"", "localhost"} else None


def shows(bar: Bar, state: str) -> Show:
    """What moves the bar along with bytes."""
    return lambda done, size: bar.update({"state": state, "bytes": done, "bytes_planned": size})


def _input(farm: Framemill, request: EncodeRequest, path: str, bar: Bar, *, here: bool) -> dict[str, Any]:
    if is_remote(path) or not here:
        return input_of(request, path)
    source = Path(path)
    try:
        source.name.encode()
    except UnicodeEncodeError:
        raise WrongUse(f"{path!r} is not written in UTF-8, so no farm can be told of it.") from None
    show = shows(bar, "uploading")
    with _remembered(farm.url, source) as memory:
        known = memory.read_text("ascii") if memory.exists() else None
        if known is not None:
            with contextlib.suppress(NotFound, Conflict, WrongUse):  # it has expired, or is another farm's
                return {"upload_id": farm.upload(source, show, upload_id=known).id}

        def begun(upload_id: str) -> None:
            memory.write_text(upload_id, "ascii")

        return {"upload_id": farm.upload(source, show, on_begun=begun).id}


@contextlib.contextmanager
def _remembered(url: str, source: Path) -> Iterator[Path]:
    """Where the id of an upload that was begun is kept, until it is there: the next command goes on with it."""
    stat = source.stat()
    named = f"{url}\0{source}\0{stat.st_size}\0{stat.st_mtime_ns}"
    memory = cache_dir() / "uploads" / hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    memory.parent.mkdir(parents=True, exist_ok=True)
    yield memory
    memory.unlink(missing_ok=True)  # not where it was cut


def _output(request: EncodeRequest, *, here: bool) -> dict[str, Any]:
    plain = {"preset": request.preset, "settings": request.output.model_dump(mode="json")}
    if not here:
        return {**target_of(request), **plain}
    return plain if request.output.container == "package" else {"name": Path(request.destination).name, **plain}
