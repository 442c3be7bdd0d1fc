"""What files may be converted into, and with which options: made of what the farm can do. Pure."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from framemill.api.onlineconvert import descriptors as told
from framemill.errors import WrongUse
from framemill.jobs.settings import Container
from framemill.jobs.settings.kinds import FITTINGS

PAGE = 50
"""Conversions on a page."""

Described = dict[str, dict[str, Any]]
"""Options by name, each as a JSON schema of its value."""


class Target(NamedTuple):
    """What a file may become."""

    name: str
    category: str
    container: Container | None
    """None: that of the input."""
    options: Mapping[str, Mapping[str, Any]]

    @property
    def id(self) -> str:
        """The same for ever."""
        return f"{self.category}-{self.name}"

    @property
    def suffix(self) -> str:
        """Of its file; empty: it follows from the input, or it is a folder."""
        if self.container in {None, "package"}:
            return ""
        return _SUFFIXES.get(self.name, str(self.container))


_SUFFIXES = {"m4v": "m4v", "aac": "m4a"}
"""Where the file is not called after its container. AAC without a container cannot be cut to the sample."""

_ALIASES: Mapping[str, Container] = MappingProxyType({"m4v": "mp4", "aac": "m4a"})


def _containers(*kinds: str) -> list[tuple[str, Container]]:
    own: list[tuple[str, Container]] = [
        (name, name) for name, fitting in FITTINGS.items() if fitting.kind in kinds and name != "package"
    ]
    return own + [(alias, name) for alias, name in _ALIASES.items() if FITTINGS[name].kind in kinds]


def _made(category: str, kinds: Sequence[str], options: Callable[[Container], Described]) -> list[Target]:
    return [Target(name, category, container, options(container)) for name, container in _containers(*kinds)]


TARGETS: tuple[Target, ...] = (
    *_made("video", ("file", "whole"), told.film),
    Target("hls", "video", "package", told.hls()),
    *_made("audio", ("sound",), told.sound),
    *_made("image", ("picture",), told.picture),
    Target("cut-video", "operation", None, told.cut()),
    Target("merge-streams", "operation", None, told.merge()),
    Target("thumbnail", "operation", None, told.thumbnail()),
    Target("compress", "operation", None, told.compress()),
)
"""All of them, the usual one of a name first."""


def target_of(name: str, category: str | None = None) -> Target:
    """The target of that name. Raises `WrongUse` where there is none, or none in that category."""
    named = [one for one in TARGETS if one.name == _SAME.get(name.lower(), name.lower())]
    found = next((one for one in named if category in {None, "", one.category}), None)
    if found is None:
        there = ", ".join(sorted({one.category for one in named}) or sorted(one.name for one in TARGETS))
        what = f"of category {category!r}" if named else f"of name {name[:_LONGEST]!r}"
        error = WrongUse(f"There is no target {what}; there are: {there}.")
        error.param = "category" if named else "target"
        raise error
    return found


_SAME = {"jpeg": "jpg", "tif": "tiff", "mpeg": "mpg", "3gpp": "3gp", "oga": "ogg"}
"""Other words for a target."""
_LONGEST = 60


def page(category: str | None = None, target: str | None = None, number: int = 1) -> tuple[list[dict[str, Any]], int]:
    """One page of the conversions that fit, counted from 1, and how many there are on all of them."""
    wanted = None if target is None else _SAME.get(target.lower(), target.lower())
    found = [
        one
        for one in TARGETS
        if (category is None or one.category == category.lower()) and (wanted is None or one.name == wanted)
    ]
    first = (number - 1) * PAGE
    return [_told(one) for one in found[first : first + PAGE]], len(found)


def _told(target: Target) -> dict[str, Any]:
    options = {name: dict(schema) for name, schema in target.options.items()}
    return {"id": target.id, "target": target.name, "category": target.category, "options": options}
