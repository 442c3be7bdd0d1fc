"""A preset's `data`, in either of its shapes, as settings of an output. Pure."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from framemill.api.openencoder.preset_hls import PLAYLIST, package_of, without_container
from framemill.errors import InvalidSetting, WrongUse
from framemill.jobs.commander import read_preset
from framemill.jobs.settings import OutputSettings, Value
from framemill.services.requests import FILE_SUFFIXES


class Preset(Value):
    """What clients keep here under a name."""

    number: int
    name: str
    description: str = ""
    data: str
    """JSON, as its client has written it."""
    output: str
    """What the file is called."""
    active: bool = True
    """Whether pages offer it."""


_TWO_PASSES = 2


def settings_of(data: str, output: str) -> OutputSettings:
    """What a preset asks for, whose file is called so.

    Where it asks for a bit rate, that is shared out over the film by a look at the whole of it first: so the film can
    be encoded in chunks, on all machines at once.

    Raises `WrongUse`, naming the word or the field that cannot be taken.
    """
    given = _loaded(data)
    _refuse_name(output)
    if PurePosixPath(output).suffix.lower() == PLAYLIST:
        found = package_of(given)
    else:
        found = read_preset(_by_suffix(given, output), output).settings
    if found.targets and not found.two_passes:
        both = found.model_copy(update={"passes": _TWO_PASSES})
        found = both if both.two_passes and found.crf is None else found
    return found


def usual_output(name: str, data: str) -> str:
    """What the file of a preset is called that says nothing of it: after the preset, with the container's suffix."""
    settings = read_preset(_loaded(data)).settings
    stem = re.sub(r"[^\w.()+ -]", "_", name).strip(". ") or "output"
    return f"{stem}.{settings.container}"


def _loaded(data: str) -> Mapping[str, Any]:
    try:
        given = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidSetting(f"data: it is no JSON: {error}.") from None
    if not isinstance(given, Mapping):
        raise InvalidSetting('data: it is an object, {"raw": […]} or {"format": …, "video": …, "audio": …}.')
    return given


def _refuse_name(output: str) -> None:
    if not output or output in {".", ".."} or "/" in output or "\\" in output or not output.isprintable():
        raise WrongUse(f"output: {output[:80]!r} is no name of a file: write one such as film.mp4.")


def _by_suffix(given: Mapping[str, Any], output: str) -> Mapping[str, Any]:
    """A form without the container that it names, where the file's suffix says another: that is what counts there."""
    return without_container(given) if PurePosixPath(output).suffix.lower() in FILE_SUFFIXES else given
