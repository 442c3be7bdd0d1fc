"""A conversion as a client asks for it: checked against the catalogue, and as the outputs that are meant. Pure."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from framemill.api.onlineconvert import meanings
from framemill.api.onlineconvert.catalogue import Target, target_of
from framemill.api.onlineconvert.descriptors import PAGES, PASSWORDS, STEM, STILL, TIME
from framemill.api.onlineconvert.kept import SECRET_OPTIONS
from framemill.errors import FramemillError, InvalidSetting, WrongUse
from framemill.jobs.settings import Container, Value
from framemill.jobs.settings.kinds import FITTINGS
from framemill.services.fields import about
from framemill.services.parts import OutputRequest
from framemill.services.requests import FILE_SUFFIXES, settings_for


class Conversion(Value):
    """A conversion that the catalogue has."""

    target: str
    category: str
    options: Mapping[str, Any] = {}
    """Those that count: what is said, over what a preset of the client's says."""
    base: str | None = None
    """Name of the farm's own preset below them."""

    @property
    def meant(self) -> Target:
        """Its target."""
        return target_of(self.target, self.category)


class Source(NamedTuple):
    """An input of the job that conversions are made of."""

    at: int | str
    """Its place in the job, from 0, or its id."""
    filename: str | None = None


def checked(target: str, category: str | None, options: object = None, base: str | None = None) -> Conversion:
    """The conversion that is asked for; `base`: the farm's own preset below its options.

    Raises `WrongUse` about `target`, `category` or `options.NAME` for what the catalogue or an encoder does not take.
    """
    meant = target_of(target, category)
    said = _mapping(options)
    with about("options"):
        unknown = next((name for name in said if name not in meant.options), None)
        if unknown is not None:
            raise _unfit(unknown, f"{meant.name} has no option {unknown[:_LONGEST]!r}; it has: {_named(meant)}.")
        said = {name: _worded(meant.options[name], value) for name, value in said.items()}
        for name, value in said.items():
            why = misfit(meant.options[name], value)
            if why and name in SECRET_OPTIONS:
                why = f"it takes text that fits {meant.options[name]['pattern']}"
            if why:
                raise _unfit(name, f"{name}: {why}.")
        conversion = Conversion(target=meant.name, category=meant.category, options=said, base=base)
        for container in _containers(meant, said):
            _try(conversion, container)
    return conversion


def outputs_of(conversion: Conversion, inputs: Sequence[Source]) -> tuple[OutputRequest, ...]:
    """The outputs that are meant: one of each input, or one of all where they are merged; none without inputs."""
    if not inputs:
        return ()
    meant = conversion.meant
    if meant.name == "merge-streams" or conversion.options.get("merge"):
        return (_output(conversion, inputs[0], tuple(one.at for one in inputs)),)
    return tuple(_output(conversion, one, (one.at,)) for one in inputs)


def misfit(schema: Mapping[str, Any], value: object) -> str:
    """Why a value is none that the schema describes; empty where it is one."""
    if not _IS[schema["type"]](value):
        return f"it takes {_CALLED[schema['type']]}, not {_shown(value)}"
    if value not in schema.get("enum", [value]):
        return f"it takes {', '.join(map(str, schema['enum']))}, not {_shown(value)}"
    return _misfit_value(schema, value)


def _misfit_value(schema: Mapping[str, Any], value: object) -> str:
    match value:
        case int() | float() if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            return f"it takes {schema['minimum']} to {schema['maximum']}, not {_shown(value)}"
        case str() if "pattern" in schema and re.fullmatch(schema["pattern"], value) is None:
            return f"it takes what fits {schema['pattern']}, not {_shown(value)}"
        case list():
            return _misfit_items(schema, value)
        case dict():
            return _misfit_fields(schema, value)
    return ""


def _misfit_items(schema: Mapping[str, Any], value: Sequence[Any]) -> str:
    if not schema["minItems"] <= len(value) <= schema["maxItems"]:
        return f"it takes {schema['minItems']} to {schema['maxItems']} of them, not {len(value)}"
    return next((f"{at}: {why}" for at, one in enumerate(value) if (why := misfit(schema["items"], one))), "")


def _misfit_fields(schema: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    known: Mapping[str, Any] = schema["properties"]
    lacking = next((name for name in schema["required"] if name not in value), None)
    if lacking is not None:
        return f"{lacking} is missing"
    foreign = next((name for name in value if name not in known), None)
    if foreign is not None:
        return f"there is no {_shown(foreign)} in it, but {' and '.join(known)}"
    return next((f"{name}: {why}" for name, one in value.items() if (why := misfit(known[name], one))), "")


def _worded(schema: Mapping[str, Any], value: object) -> object:
    """A value, as the text that is meant by a number: a command line takes `start=90` for one."""
    match value:
        case int() | float() if schema.get("pattern") in _WORDS and not isinstance(value, bool):
            return str(value)
        case list() if schema["type"] == "array":
            return [_worded(schema["items"], one) for one in value]
        case dict() if schema["type"] == "object":
            known = schema["properties"]
            return {name: _worded(known[name], one) if name in known else one for name, one in value.items()}
    return value


_WORDS = frozenset({PAGES, PASSWORDS, STEM, TIME})

_IS = {
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_CALLED = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
_LONGEST = 60


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _mapping(options: object) -> dict[str, Any]:
    """Some clients write none as an empty list."""
    if options is None or options == []:
        return {}
    if not isinstance(options, Mapping):
        raise _unfit("options", "options: it takes an object.")
    return {str(name): value for name, value in options.items()}


def _unfit(name: str, message: str) -> WrongUse:
    error = WrongUse(message)
    error.param = name
    return error


def _named(target: Target) -> str:
    return ", ".join(sorted(target.options))


def _containers(target: Target, options: Mapping[str, Any]) -> tuple[Container, ...]:
    """What it may be written into, as far as that makes a difference to its options."""
    if target.container is not None:
        return (target.container,)
    drawn = {"width", "height", "resize_handling"} & options.keys()  # a sound is refused where the input is known
    return tuple(one for one in _OF_OPERATIONS[target.name] if not drawn or FITTINGS[one].kind != "sound")


_OF_OPERATIONS: Mapping[str, tuple[Container, ...]] = {
    "cut-video": ("mp4",),
    "merge-streams": ("mp4",),
    "thumbnail": (STILL,),
    "compress": ("mp4", "m4a", "jpg"),
}


def _try(conversion: Conversion, container: Container) -> None:
    """Raise what the farm says against it, about the option that is meant."""
    if conversion.target == "thumbnail":
        container = conversion.options.get("thumbnail_target", container)
    try:
        settings = meanings.settings_of(conversion.target, container, conversion.options)
        settings_for("The output", container, conversion.base, settings)
    except InvalidSetting as error:
        error.param = meanings.option_meant(error, conversion.options)
        raise
    except FramemillError as error:
        error.param = error.param or "preset"
        raise


def _output(conversion: Conversion, source: Source, inputs: tuple[int | str, ...]) -> OutputRequest:
    meant = conversion.meant
    container = meant.container or _container_of(conversion, source)
    settings = meanings.settings_of(conversion.target, container, conversion.options)
    return OutputRequest(
        inputs=inputs,
        preset=conversion.base,
        name=_name(conversion, source, container),
        settings={"container": container, **settings},
    )


def _name(conversion: Conversion, source: Source, container: Container) -> str | None:
    """What it is called; none: after its source."""
    said = conversion.options.get("output_filename")
    suffix = conversion.meant.suffix or container
    if said is None and suffix == container:
        return None
    stem = PurePosixPath(source.filename or "").stem or "output" if said is None else said
    # A dot in the name of a folder would be read as a file's.
    return stem.replace(".", "_") if container == "package" else f"{stem}.{suffix}"


def _container_of(conversion: Conversion, source: Source) -> Container:
    """Of an operation: what its input is, where the farm writes that, and can do it there."""
    if conversion.target == "thumbnail":
        chosen: Container = conversion.options.get("thumbnail_target", STILL)
        return chosen
    there = FILE_SUFFIXES.get(PurePosixPath(source.filename or "").suffix.lower(), "mp4")
    kind = FITTINGS[there].kind
    fits = conversion.target == "compress" or kind == "file"
    return there if fits else "mp4"
