"""Outputs from what a client asks for: checked, and completed with what is usual."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import Field

from framemill.errors import FramemillError, InvalidSetting, NotFound, WrongUse
from framemill.jobs.accounts import DEFAULT_ACCOUNT
from framemill.jobs.model import Input, Output, Target
from framemill.jobs.presets import DEFAULT_PRESET, preset_named
from framemill.jobs.settings import Container, OutputSettings, RunSettings, Value, apply_assignments
from framemill.services.desk import Desk
from framemill.services.fields import about
from framemill.services.passwords import locks_of
from framemill.services.requests import container_named, container_of, place_of, refuse_overwriting, settings_for
from framemill.services.targets import (
    MOST_TARGETS,
    TargetRequest,
    name_at,
    refuse_twice,
    target_of,
)
from framemill.storage.address import address_of

MOST_OUTPUTS = 100
LONGEST_NAME = 255

Part = TypeVar("Part", Input, Output)


class OutputRequest(Value):
    """A result that a client asks for."""

    id: str | None = None
    """Of an output that the job has already, when a held job is edited."""
    inputs: Literal["all"] | tuple[int | str, ...] = "all"
    """What it is made of: inputs by their place in the job, from 0, or by their id; they are joined in this order."""
    target: str | None = None
    """Short for one of the targets, by its URI."""
    targets: tuple[TargetRequest, ...] = ()
    """Where it shall be put: a file by its suffix, else a folder for a package; none: it stays here."""
    keep: bool = False
    """Beside its targets it stays here, too, to be downloaded."""
    name: str | None = None
    """What the output is called; none: after its target, else after the source."""
    preset: str | None = None
    settings: Mapping[str, Any] = {}
    """Fields of the output settings, laid over the preset."""
    passwords: tuple[str, ...] | None = Field(default=None, repr=False)
    """Any of these opens it; empty: open to who has the link; none: as it was, or empty."""
    metadata: Mapping[str, Any] = {}


def outputs_of(
    job_id: str,
    wanted: Sequence[OutputRequest],
    inputs: Sequence[Input],
    known: Mapping[str, Output] | None = None,
    *,
    account: str = DEFAULT_ACCOUNT,
    desk: Desk | None = None,
) -> list[Output]:
    """The outputs that are asked for, in order, with complete settings. Raises as `new_job` does."""
    if len(wanted) > MOST_OUTPUTS:
        with about("outputs"):
            raise WrongUse(f"A job takes 1 to {MOST_OUTPUTS} outputs, not {len(wanted)}.")
    made: list[Output] = []
    for position, one in enumerate(wanted):
        with about(f"outputs.{position}"):
            before = known_part(one.id, known or {})
            made.append(
                output_of(job_id, one, position, inputs, others=made, before=before, account=account, desk=desk)
            )
    return made


def output_of(
    job_id: str,
    wanted: OutputRequest,
    position: int,
    inputs: Sequence[Input],
    *,
    others: Sequence[Output],
    before: Output | None = None,
    account: str = DEFAULT_ACCOUNT,
    desk: Desk | None = None,
) -> Output:
    """One output that is asked for, beside the `others`; one that was there `before` keeps what is not asked for."""
    output = _output(job_id, wanted, inputs, before, account=account, desk=desk)
    refuse_twice(output.targets, [target for other in others for target in other.targets])
    if before is None:
        return output.model_copy(update={"position": position})
    changed = {name: getattr(output, name) for name in _ASKED_FOR}
    if wanted.passwords is not None:
        changed["password_hashes"] = output.password_hashes
    return before.model_copy(update={"position": position, **changed})


_ASKED_FOR = ("input_ids", "name", "targets", "stays", "trusted", "preset", "settings", "metadata")


def output_changed(before: Output, changes: OutputRequest) -> OutputRequest:
    """An output as it shall be: what is set in `changes`, else as it was.

    Settings are laid over those it had, or over the preset where another one is named.
    """
    said = changes.model_dump(exclude_unset=True)
    plain = {name: getattr(before, name) for name in ("name", "preset", "metadata")}
    plain["inputs"] = before.input_ids or "all"
    if not {"target", "targets"} & said.keys():
        plain["targets"] = [request_of(target) for target in before.targets]
        plain["keep"] = before.stays and bool(before.targets)
    kept = {} if "preset" in said else before.settings.model_dump(exclude={"container"})
    if {"target", "targets"} & said.keys() and "name" not in said:
        plain["name"] = None  # it is called after its new target
    return OutputRequest(**{**plain, **said, "settings": {**kept, **said.get("settings", {})}, "id": before.id})


def refuse_overwriting_any(inputs: Sequence[Input], outputs: Sequence[Output]) -> None:
    """Raise `WrongUse` where an output would replace a source."""
    for output in outputs:
        for position, source in enumerate(inputs):
            with about(f"inputs.{position}.uri"):
                _refuse_overwriting(source, output)


def refuse_misfit(output: Output, inputs: Sequence[Input]) -> None:
    """Raise `InvalidSetting` where the output cannot be made of its inputs, `WrongUse` where it has none of them."""
    mine = [source for source in inputs if not output.input_ids or source.id in output.input_ids]
    with about("settings"):
        if len(mine) > 1 and (why := output.settings.unjoinable):
            raise InvalidSetting(f"{len(mine)} inputs cannot be joined into {output.name}: {why}.")
        clip = {"start": mine[0].start, "end": mine[0].end} if len(mine) == 1 else {}
        said = {name: value for name, value in clip.items() if value is not None}
        if said and output.settings.clipped:
            raise InvalidSetting(f"start and end of {output.name} and of its input exclude each other.")
        apply_assignments(output.settings, RunSettings(), said)
    if inputs and not mine:
        with about("inputs"):
            raise WrongUse(f"{output.name} is made of inputs that the job does not have any more: name others.")


def _output(
    job_id: str,
    wanted: OutputRequest,
    inputs: Sequence[Input],
    before: Output | None,
    *,
    account: str,
    desk: Desk | None,
) -> Output:
    places = _places(wanted)
    first = next(iter(places.values()), None)
    with about("name"):
        named = None if wanted.name is None else checked_name(wanted.name)
    with about("preset"):
        usual = None if wanted.preset is None else preset_named(wanted.preset).output.container
    container = _container(places, named) or _container_said(wanted.settings) or usual or "mp4"
    foreign = next((key for key in wanted.settings if key in RunSettings.model_fields), None)
    with about("settings"):
        if foreign is not None:
            raise InvalidSetting(f"{foreign} is a setting of the run, not of an output: put it into `run`.")
        called = named or "The output" if first is None else first.uri
        name, settings, _ = settings_for(called, container, wanted.preset, wanted.settings)
    targets = []
    for field, place in places.items():
        with about(field):
            known = () if before is None else before.targets
            targets.append(_named_field(field, place, settings, known, account=account, desk=desk))
    with about("inputs"):
        mine = _chosen(wanted.inputs, inputs)
    called = named or (name_at(targets[0]) if targets else _called_after(mine or inputs, container))
    called = place_of(settings, called) if not targets or named else called
    output = Output(
        job_id=job_id,
        input_ids=tuple(source.id for source in mine),
        name=called,
        preset=name,
        settings=settings,
        targets=tuple(targets),
        stays=wanted.keep or not targets,
        trusted=desk is not None and desk.trusted and (before is None or before.trusted),
        password_hashes=locks_of(wanted.passwords or ()),
        metadata=dict(wanted.metadata),
    )
    for source in inputs:
        with about("target" if len(targets) == 1 else "targets"):
            _refuse_overwriting(source, output)
    refuse_misfit(output, inputs)
    return output


def _places(wanted: OutputRequest) -> dict[str, TargetRequest]:
    """The targets that are asked for, by the field that names them."""
    if wanted.target is not None and wanted.targets and wanted.target != wanted.targets[0].uri:
        with about("target"):
            raise WrongUse("target is short for one of the targets: give either target or targets.")
    if len(wanted.targets) > MOST_TARGETS:
        with about("targets"):
            raise WrongUse(f"An output takes up to {MOST_TARGETS} targets, not {len(wanted.targets)}.")
    if wanted.target is not None and not wanted.targets:
        return {"target": TargetRequest(uri=wanted.target)}
    return {f"targets.{position}": one for position, one in enumerate(wanted.targets)}


def _container(places: Mapping[str, TargetRequest], named: str | None) -> Container | None:
    """What its names say that it is: all of them the same."""
    container: Container | None = None
    for field, place in places.items():
        with about(field if field == "target" else f"{field}.uri"):
            found = place.container or container_of(place.uri)
            if container not in {None, found}:
                raise WrongUse(f"{place.uri} is not of the same kind as the target before it.")
            container = found
    if named is None:
        return container
    with about("name"):
        said = container_named(named)
        if container not in {None, said}:
            first = next(iter(places.values())).uri
            raise WrongUse(f"{named} and {first} are not of the same kind.")
    return said


def _named_field(
    field: str,
    place: TargetRequest,
    settings: OutputSettings,
    before: Sequence[Target],
    *,
    account: str,
    desk: Desk | None,
) -> Target:
    """The short form has no fields below it."""
    try:
        return target_of(place, settings, before, account=account, desk=desk)
    except FramemillError as error:
        if field == "target":
            error.param = None
        raise


def _refuse_overwriting(source: Input, output: Output) -> None:
    for target in output.targets:
        address = address_of(target.uri)
        if not address.remote:
            refuse_overwriting(source.uri, target.uri, progressive=output.settings.progressive)
        elif source.uri == target.uri:
            raise WrongUse(f"{source.uri} would be overwritten by its own encode; name another destination.")


def request_of(target: Target) -> TargetRequest:
    """What asks for that target again, where nothing of it is to be changed."""
    return TargetRequest(uri=target.uri, credentials=target.credentials, if_exists=target.if_exists, acl=target.acl)


def _chosen(wanted: Literal["all"] | Sequence[int | str], inputs: Sequence[Input]) -> list[Input]:
    """The inputs that are named, in that order; empty: all that the job has or will have."""
    if wanted == "all":
        return []
    known: dict[int | str, Input] = {**dict(enumerate(inputs)), **{source.id: source for source in inputs}}
    strange = next((one for one in wanted if one not in known), None)
    if strange is not None or not wanted:
        said = "none" if strange is None else repr(strange)
        raise WrongUse(f"Of the {len(inputs)} inputs {said} is named: give their places, from 0, or their ids.")
    chosen = [known[one] for one in wanted]
    if len({source.id for source in chosen}) < len(chosen):
        raise WrongUse("An input is named twice: give the same source twice as two inputs to show it twice.")
    return chosen


def checked_name(name: str) -> str:
    """The name of a file or folder. Raises `WrongUse` where it can be none."""
    if name in {"", ".", ".."} or "/" in name or len(name.encode()) > LONGEST_NAME:
        raise WrongUse(f"{name!r} is no name of a file or folder: it has 1 to {LONGEST_NAME} bytes and no slash.")
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


def known_part(part_id: str | None, known: Mapping[str, Part]) -> Part | None:
    """The part that is edited; none: it is a new one. Raises `WrongUse` where the job has no such part."""
    if part_id is None:
        return None
    if part_id not in known:
        with about("id"):
            raise WrongUse(f"The job has no part {part_id}; leave the id away for a new one.")
    return known[part_id]


def the_part(parts: Sequence[Part], part_id: str, kind: str) -> Part:
    """The one with that id; `kind` is what the message calls it. Raises `NotFound`."""
    found = next((one for one in parts if one.id == part_id), None)
    if found is None:
        raise NotFound(f"The job has no {kind} {part_id!r}.")
    return found


def replaced(parts: Sequence[Part], before: Part | None, made: Part) -> Sequence[Part]:
    """With `made` in the place of `before`; behind all others where there was none."""
    found = list(parts)
    if before is None:
        found.append(made)
    else:
        found[found.index(before)] = made
    return found
