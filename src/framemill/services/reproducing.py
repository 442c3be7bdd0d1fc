"""How to do again by hand what the farm did: a whole job, or one chunk with nothing of the farm around it."""

import shlex

from framemill.errors import NotFound
from framemill.farm.job import OneJob
from framemill.farm.report import command_of
from framemill.farm.titles import load_title
from framemill.jobs.model import Input, Job, Output
from framemill.jobs.presets import PRESETS
from framemill.jobs.settings import RunSettings
from framemill.media.title import Title
from framemill.secrets import mask_url
from framemill.storage.local import LocalBlobs


def job_command(job: Job, source: Input, output: Output) -> str:
    """The command that makes the same bytes on any machine of the same kind; for a shell. Secrets are masked."""
    container = output.settings.container
    name = output.name if container != "package" else f"{output.name}/"
    path = mask_url(source.uri) if source.upload_id is None else source.filename or source.uri
    argv = ["framemill", "encode", path, "-o", name]
    usual = PRESETS.get(output.preset or "")
    if usual is not None:
        argv += ["--preset", usual.name]
    base = usual.output if usual is not None else type(output.settings)()
    asked = {**_changed(output.settings, base), **_changed(job.run, RunSettings())}
    for field, value in asked.items():
        if field not in {"container", "ladder"} and value is not None:
            argv += ["--set", f"{field}={value}"]
    return shlex.join(argv)


def chunk_command(blobs: LocalBlobs, job: Job, output: Output, rendition: int, number: int) -> str:
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


def _changed(values: object, usual: object) -> dict[str, object]:
    said = dict(values)  # type: ignore[call-overload]
    return {name: value for name, value in said.items() if value != getattr(usual, name)}
