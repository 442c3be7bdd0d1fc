"""Inputs and outputs from what a client asks for: checked, and completed with what is usual."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from framemill.errors import FramemillError, InvalidSetting, WrongUse
from framemill.jobs.model import Input, Output
from framemill.jobs.presets import DEFAULT_PRESET, preset_named
from framemill.jobs.settings import Container, RunSettings, Value
from framemill.secrets import mask_url
from framemill.services.requests import container_named, container_of, existing, refuse_overwriting, settings_for
from framemill.storage.http import is_remote

MOST_OUTPUTS = 100
_LONGEST_NAME = 255

Part = TypeVar("Part", Input, Output)


class InputRequest(Value):
    """A source that a client names."""

    id: str | None = None
    """Of an input that the job has already, when a held job is edited: what was fetched of it stays."""
    uri: str
    """An absolute path on the farm's machine, a file: URL, or an http(s) URL."""
    filename: str | None = None
    read_once: bool = False
    metadata: Mapping[str, Any] = {}


class OutputRequest(Value):
    """A result that a client asks for."""

    id: str | None = None
    """Of an output that the job has already, when a held job is edited."""
    target: str | None = None
    """An absolute path on the farm's machine, or a file: URL: a file by its suffix, else a folder for a package."""
    name: str | None = None
    """What the output is called; none: after its target, else after the source."""
    preset: str | None = None
    settings: Mapping[str, Any] = {}
    """Fields of the output settings, laid over the preset."""
    metadata: Mapping[str, Any] = {}


def inputs_of(job_id: str, wanted: Sequence[InputRequest], known: Mapping[str, Input] | None = None) -> list[Input]:
    """The inputs that are asked for, in order; one that is `known` under its id keeps what was found of it.

    Raises as `new_job` does.
    """
    if len(wanted) != 1:
        with about("inputs"):
            raise WrongUse("A job takes one input: submit a job for each source.")
    made = []
    for position, one in enumerate(wanted):
        with about(f"inputs.{position}"):
            before = _known(one.id, known or {})
        plain = {**one.model_dump(exclude={"id", "uri"}), "position": position}
        if before is not None and one.uri in {before.uri, mask_url(before.uri)}:
            made.append(before.model_copy(update=plain))
        else:
            with about(f"inputs.{position}.uri"):
                uri = source_uri(one.uri)
            made.append(Input(job_id=job_id, uri=uri, **plain))
    return made


def outputs_of(
    job_id: str, wanted: Sequence[OutputRequest], inputs: Sequence[Input], known: Mapping[str, Output] | None = None
) -> list[Output]:
    """The outputs that are asked for, in order, with complete settings. Raises as `new_job` does."""
    if not 1 <= len(wanted) <= MOST_OUTPUTS:
        with about("outputs"):
            raise WrongUse(f"A job takes 1 to {MOST_OUTPUTS} outputs, not {len(wanted)}.")
    made: list[Output] = []
    for position, one in enumerate(wanted):
        with about(f"outputs.{position}"):
            before = _known(one.id, known or {})
            output = _output(job_id, one, inputs)
            if output.target is not None and output.target in {other.target for other in made}:
                raise WrongUse(f"{output.target} is the target of two outputs; name another for one.")
            same = {"position": position} if before is None else {"position": position, "id": before.id}
            made.append(output.model_copy(update=same))
    return made


def refuse_overwriting_any(inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
    """Raise `WrongUse` where an output would replace a source."""
    for output in outputs:
        if output.target is not None:
            with about("inputs.0.uri"):
                refuse_overwriting(inputs[0].uri, output.target)


def source_uri(uri: str) -> str:
    """The URI as the farm fetches it; a local source is looked at. Raises `WrongUse`, or a `SourceError`'s kind."""
    path = _path(uri)
    return existing(path) if os.path.isabs(path) else path


def _path(uri: str) -> str:
    """The absolute path that is meant, or the http(s) URL. Raises `WrongUse` for anything else."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise WrongUse(f"{uri} is no URL: {error}.") from None
    if parts.scheme in {"http", "https"} and "://" in uri:
        if not host:
            raise WrongUse(f"{uri} names no host.")
        return parts.scheme + uri[len(parts.scheme) :]  # whichever way it was written
    if parts.scheme == "file" and host in {None, "localhost"}:
        uri = unquote(parts.path)
    elif "://" in uri:
        raise WrongUse(f"{uri}: there are paths, and the schemes file, http and https.")
    if not os.path.isabs(uri):
        raise WrongUse(f"{uri} is a path on the farm's machine: write it from the root.")
    return uri


def _output(job_id: str, wanted: OutputRequest, inputs: Sequence[Input]) -> Output:
    with about("target"):
        place = None if wanted.target is None else _target(wanted.target)
    with about("name"):
        named = _name(wanted.name)
    with about("preset"):
        usual = None if wanted.preset is None else preset_named(wanted.preset).output.container
    container: Container
    if place is not None:
        with about("target"):
            container = container_of(place)
    elif named is not None:
        with about("name"):
            container = container_named(named)
    else:
        container = _container_said(wanted.settings) or usual or "mp4"
    if place is not None and named is not None and container_named(named) != container:
        with about("name"):
            raise WrongUse(f"{named} and {place} are not of the same kind.")
    foreign = next((key for key in wanted.settings if key in RunSettings.model_fields), None)
    with about("settings"):
        if foreign is not None:
            raise InvalidSetting(f"{foreign} is a setting of the run, not of an output: put it into `run`.")
        name, settings, _ = settings_for(place or named or "The output", container, wanted.preset, wanted.settings)
    target = None if place is None else os.path.abspath(place)
    if target is not None:
        with about("target"):
            refuse_overwriting(inputs[0].uri, target)
    called = named or (Path(target).name if target else _called_after(inputs[0], container))
    return Output(
        job_id=job_id, name=called, preset=name, settings=settings, target=target, metadata=dict(wanted.metadata)
    )


def _target(target: str) -> str:
    path = _path(target)
    if is_remote(path):
        raise WrongUse(f"{target}: outputs are put at a path on the farm's machine, or stay there without a target.")
    return path


def _name(name: str | None) -> str | None:
    if name is not None and (name in {"", ".", ".."} or "/" in name or len(name.encode()) > _LONGEST_NAME):
        raise WrongUse(f"{name!r} is no name of a file or folder: it has 1 to {_LONGEST_NAME} bytes and no slash.")
    return name


def _container_said(settings: Mapping[str, Any]) -> Container | None:
    said = settings.get("container")
    known = next((container for container in DEFAULT_PRESET if container == said), None)
    if said is not None and known is None:
        with about("settings.container"):
            raise InvalidSetting(f"Setting container: there are {', '.join(DEFAULT_PRESET)}, not {said!r}.")
    return known


def _called_after(source: Input, container: Container) -> str:
    """The source's name with the suffix of the output."""
    stem = Path(source.filename or unquote(urlsplit(source.uri).path)).stem or "output"
    return stem if container == "package" else f"{stem}.{container}"


def _known(part_id: str | None, known: Mapping[str, Part]) -> Part | None:
    if part_id is None:
        return None
    if part_id not in known:
        with about("id"):
            raise WrongUse(f"The job has no part {part_id}; leave the id away for a new one.")
    return known[part_id]


@contextlib.contextmanager
def about(param: str) -> Iterator[None]:
    """What is raised inside is about that field of the request, or about a field in it."""
    try:
        yield
    except FramemillError as error:
        error.param = param if error.param is None else f"{param}.{error.param}"
        raise
