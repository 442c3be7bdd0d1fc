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
from framemill.jobs.uploads import uri_of
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
    uri: str = ""
    """An absolute path on the farm's machine, a file: URL, or an http(s) URL; empty only where another one stays."""
    upload_id: str | None = None
    """Of an upload that is the source; instead of `uri`."""
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
    if len(wanted) > 1:
        with about("inputs"):
            raise WrongUse("A job takes one input: submit a job for each source.")
    made = []
    for position, one in enumerate(wanted):
        with about(f"inputs.{position}"):
            made.append(input_of(job_id, one, position, _known(one.id, known or {})))
    return made


def input_of(job_id: str, wanted: InputRequest, position: int, before: Input | None = None) -> Input:
    """One input that is asked for; where it was there `before` with the same address, what was found of it stays."""
    plain = {**wanted.model_dump(exclude={"id", "uri", "upload_id"}), "position": position}
    asked = wanted.uri if wanted.upload_id is None else uri_of(wanted.upload_id)
    if before is not None and asked in {before.uri, mask_url(before.uri)}:
        return before.model_copy(update=plain)
    if wanted.upload_id is not None:
        return Input(job_id=job_id, uri=asked, upload_id=wanted.upload_id, **plain)
    with about("uri"):
        uri = source_uri(wanted.uri)
    return Input(job_id=job_id, uri=uri, **plain)


def outputs_of(
    job_id: str, wanted: Sequence[OutputRequest], inputs: Sequence[Input], known: Mapping[str, Output] | None = None
) -> list[Output]:
    """The outputs that are asked for, in order, with complete settings. Raises as `new_job` does."""
    if len(wanted) > MOST_OUTPUTS:
        with about("outputs"):
            raise WrongUse(f"A job takes 1 to {MOST_OUTPUTS} outputs, not {len(wanted)}.")
    made: list[Output] = []
    for position, one in enumerate(wanted):
        with about(f"outputs.{position}"):
            made.append(output_of(job_id, one, position, inputs, others=made, before=_known(one.id, known or {})))
    return made


def output_of(
    job_id: str,
    wanted: OutputRequest,
    position: int,
    inputs: Sequence[Input],
    *,
    others: Sequence[Output],
    before: Output | None = None,
) -> Output:
    """One output that is asked for, beside the `others`; one that was there `before` keeps what is not asked for."""
    output = _output(job_id, wanted, inputs)
    if output.target is not None and output.target in {other.target for other in others}:
        raise WrongUse(f"{output.target} is the target of two outputs; name another for one.")
    if before is None:
        return output.model_copy(update={"position": position})
    return before.model_copy(update={"position": position, **{name: getattr(output, name) for name in _ASKED_FOR}})


_ASKED_FOR = ("name", "target", "sealed_target", "preset", "settings", "metadata")


def input_changed(before: Input, changes: InputRequest) -> InputRequest:
    """An input as it shall be: what is set in `changes`, else as it was."""
    plain = {name: getattr(before, name) for name in ("uri", "filename", "read_once", "metadata")}
    return InputRequest(**{**plain, **changes.model_dump(exclude_unset=True), "id": before.id})


def output_changed(before: Output, changes: OutputRequest) -> OutputRequest:
    """An output as it shall be: what is set in `changes`, else as it was.

    Settings are laid over those it had, or over the preset where another one is named.
    """
    said = changes.model_dump(exclude_unset=True)
    plain = {name: getattr(before, name) for name in ("target", "name", "preset", "metadata")}
    kept = {} if "preset" in said else before.settings.model_dump(exclude={"container"})
    if {"target", "name"} & said.keys() and "name" not in said:
        plain["name"] = None  # it is called after its new target
    return OutputRequest(**{**plain, **said, "settings": {**kept, **said.get("settings", {})}, "id": before.id})


def refuse_overwriting_any(inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
    """Raise `WrongUse` where an output would replace a source."""
    for output in outputs:
        if inputs and output.target is not None:
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
    if target is not None and inputs:
        with about("target"):
            refuse_overwriting(inputs[0].uri, target)
    called = named or (Path(target).name if target else _called_after(inputs, container))
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


def _called_after(inputs: Sequence[Input], container: Container) -> str:
    """The source's name with the suffix of the output."""
    named = "" if not inputs else inputs[0].filename or unquote(urlsplit(inputs[0].uri).path)
    stem = Path(named).stem or "output"
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
