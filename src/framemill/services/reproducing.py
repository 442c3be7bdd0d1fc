"""How to do again by hand what the farm did: a whole job, or one chunk with nothing of the farm around it."""

import json
import shlex
from collections.abc import Sequence

from pydantic_core import to_jsonable_python

from framemill.errors import NotFound
from framemill.farm.job import OneJob
from framemill.farm.report import command_of
from framemill.farm.titles import load_title
from framemill.jobs.model import Input, Job, Output
from framemill.jobs.presets import PRESETS
from framemill.jobs.settings import RunSettings
from framemill.media.title import Title
from framemill.secrets import mask_url
from framemill.storage.blobs import Blobs


def job_command(job: Job, inputs: Sequence[Input], output: Output) -> str:
    """The command that makes the same bytes on any machine of the same kind; for a shell. Secrets are masked.

    Empty where no command says it: of inputs that are joined, each is shown whole.
    """
    known = {source.id: source for source in inputs}
    sources = [known[one] for one in output.input_ids or known if one in known]
    if not sources or (len(sources) > 1 and any((one.start, one.end) != (None, None) for one in sources)):
        return ""
    container = output.settings.container
    name = output.name if container != "package" else f"{output.name}/"
    first, *others = (mask_url(one.uri) if one.upload_id is None else one.filename or one.uri for one in sources)
    argv = ["framemill", "encode", first, "-o", name]
    for path in others:
        argv += ["--join", path]
    settings = output.settings.within(sources[0].start, sources[0].end)
    usual = PRESETS.get(output.preset or "")
    if usual is not None:
        argv += ["--preset", usual.name]
    base = usual.output if usual is not None else type(output.settings)()
    asked = {**_changed(settings, base), **_changed(job.run, RunSettings())}
    for field, value in asked.items():
        if field not in {"container", "ladder"} and value is not None:
            argv += ["--set", f"{field}={_assigned(value)}"]
    return shlex.join(argv)


def chunk_command(blobs: Blobs, job: Job, output: Output, rendition: int, number: int) -> str:
    """The ffmpeg command of the process that encodes that chunk, for a shell.

    Raises `NotFound` where the plan is not known any more: those of jobs that are completed are thrown away.
    """
    try:
        title = load_title(blobs, OneJob.title_key(job, output))
    except OSError:
        raise NotFound("Its plan is not kept any more; `framemill plan` makes it again, with every command.") from None
    return command_in(title, rendition, number)


def command_in(title: Title, rendition: int, number: int) -> str:
    """The same of a plan. Raises `NotFound` where it holds no such chunk."""
    film = title.film
    if film is None or not (0 <= rendition < len(film.pictures) and 0 <= number < len(film.plan.chunks)):
        raise NotFound("The plan holds no such chunk.")
    group = next(group for group in film.plan.groups if group.first_chunk <= number < group.end_chunk)
    return command_of(title, rendition, group)


def _assigned(value: object) -> str:
    """As `--set` reads it: lists and objects are JSON."""
    plain = to_jsonable_python(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _changed(values: object, usual: object) -> dict[str, object]:
    said = dict(values)  # type: ignore[call-overload]
    return {name: value for name, value in said.items() if value != getattr(usual, name)}
