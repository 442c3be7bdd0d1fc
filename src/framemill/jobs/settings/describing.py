"""Every setting with what it takes and what it does, for people who choose: the fields' own words, in groups."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from framemill.jobs.settings.output import OutputSettings
from framemill.jobs.settings.packaging import PackageSettings
from framemill.jobs.settings.pieces import PieceSettings
from framemill.jobs.settings.rate import RateSettings
from framemill.jobs.settings.run import RunSettings
from framemill.jobs.settings.shape import ShapeSettings
from framemill.jobs.settings.sound import SoundSettings
from framemill.jobs.settings.stills import StillSettings


class Described(NamedTuple):
    """One setting."""

    group: str
    name: str
    takes: str
    """What it takes, in a few words."""
    usual: str
    """What it is when nobody says; empty: it follows from others."""
    sentence: str


_GROUPS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("pictures", RateSettings),
    ("shape", ShapeSettings),
    ("sound and texts", SoundSettings),
    ("package", PackageSettings),
    ("stills", StillSettings),
    ("several files", PieceSettings),
    ("run", RunSettings),
)


def described() -> Iterator[Described]:
    """All settings that `--set` and the API take, each once."""
    seen: set[str] = set()
    for group, model in _GROUPS:
        schema = (RunSettings if model is RunSettings else OutputSettings).model_json_schema()
        for name in model.model_fields:
            if name not in seen:
                seen.add(name)
                about = schema["properties"][name]
                usual = about.get("default")
                yield Described(
                    group=group,
                    name=name,
                    takes=" or ".join(dict.fromkeys(_takes(about, schema.get("$defs", {})))),
                    usual=""
                    if usual in (None, [], {})
                    else str(usual).lower()
                    if usual in (True, False)
                    else str(usual),
                    sentence=" ".join(about.get("description", "").split()),
                )


def _takes(about: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    """In words what a JSON schema allows."""
    for one in about.get("anyOf", ()):
        yield from _takes(one, known)
    if "$ref" in about:
        yield f"{{{', '.join(known[about['$ref'].rpartition('/')[2]]['properties'])}}}"
    elif "const" in about or "enum" in about:
        yield " | ".join(str(value) for value in about.get("enum", [about.get("const")]))
    elif about.get("type") in {"integer", "number"}:
        low, high = _limits(about)
        yield f"{'number' if about['type'] == 'number' else 'whole number'}{_between(low, high)}"
    elif about.get("type") == "array":
        yield f"list of {' or '.join(_takes(about.get('items', {}), known)) or 'values'}"
    elif about.get("type") not in {None, "null"}:
        yield {"string": "text", "boolean": "true | false", "object": "{key: value}"}[about["type"]]


def _limits(about: Mapping[str, Any]) -> tuple[Any, Any]:
    return about.get("minimum", about.get("exclusiveMinimum")), about.get("maximum", about.get("exclusiveMaximum"))


def _between(low: Any, high: Any) -> str:
    if low is None and high is None:
        return ""
    return f" {low if low is not None else ''}…{high if high is not None else ''}"
