"""Paths on the farm's machine that clients name: taken where the operator has opened their folder, and resolved before
anything is looked at, so that a refusal does not tell what is there.

Who has shown that they can read the farm's own folder may name any path: they can read it without the farm.
"""

from collections.abc import Collection, Mapping, Sequence

from framemill.jobs.model import Input, Output
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.fields import about
from framemill.services.inputs import InputRequest
from framemill.services.parts import OutputRequest
from framemill.storage.address import address_of
from framemill.storage.guard import refuse_plainly_private
from framemill.storage.http import is_web
from framemill.storage.roots import Roots


def open_source(uri: str, caller: Caller, desk: Desk | None) -> str:
    """The URI, of a path without links. Raises `PathRefused`."""
    roots = _roots(caller, desk)
    return uri if roots is None or not uri else _resolved(uri, roots)


def open_inputs(
    wanted: Sequence[InputRequest], caller: Caller, desk: Desk | None, known: Mapping[str, Input] | None = None
) -> tuple[InputRequest, ...]:
    """The inputs, with paths resolved; what one that is `known` has already stays. Raises `PathRefused`."""
    roots = _roots(caller, desk)
    if roots is None:
        return tuple(wanted)
    found = []
    for position, one in enumerate(wanted):
        before = (known or {}).get(one.id or "")
        if one.uri and not one.unusable and not (before is not None and before.uri == one.uri):
            with about(f"inputs.{position}.uri"):
                one = one.model_copy(update={"uri": _resolved(one.uri, roots)})  # noqa: PLW2901
        found.append(one)
    return tuple(found)


def open_outputs(
    wanted: Sequence[OutputRequest], caller: Caller, desk: Desk | None, known: Mapping[str, Output] | None = None
) -> tuple[OutputRequest, ...]:
    """The same of outputs' targets."""
    roots = _roots(caller, desk)
    if roots is None:
        return tuple(wanted)
    found = []
    for position, one in enumerate(wanted):
        before = (known or {}).get(one.id or "")
        kept = frozenset(target.uri for target in before.targets) if before is not None else frozenset[str]()
        with about(f"outputs.{position}"):
            found.append(_open_output(one, kept, roots))
    return tuple(found)


def _open_output(wanted: OutputRequest, kept: Collection[str], roots: Roots) -> OutputRequest:
    changes: dict[str, object] = {}
    if wanted.target and wanted.target not in kept:
        with about("target"):
            changes["target"] = _resolved(wanted.target, roots)
    targets = list(wanted.targets)
    for number, target in enumerate(targets):
        if target.uri not in kept:
            with about(f"targets.{number}.uri"):
                targets[number] = target.model_copy(update={"uri": _resolved(target.uri, roots)})
    return wanted.model_copy(update={**changes, **({"targets": tuple(targets)} if targets else {})})


def refuse_closed(outputs: Sequence[Output], caller: Caller, desk: Desk | None) -> None:
    """Raise `PathRefused` where an output lays a file over its pictures that its owner may not name, and `WrongUse`
    where that is at an address which is closed to them."""
    roots = _roots(caller, desk)
    for position, output in enumerate(outputs):
        reach = None if desk is None or output.trusted else desk.reach
        settings = output.settings
        texts = () if settings.burn_subtitles is None else (("burn_subtitles", settings.burn_subtitles),)
        pictures = ((f"overlays.{number}.uri", overlay.uri) for number, overlay in enumerate(settings.overlays))
        for field, uri in (*pictures, *texts):
            with about(f"outputs.{position}.settings.{field}"):
                if uri.startswith("/"):
                    if roots is not None:
                        roots.resolved(uri)
                elif is_web(uri):
                    refuse_plainly_private(uri, reach)


def _roots(caller: Caller, desk: Desk | None) -> Roots | None:
    return None if desk is None or caller.here else desk.roots


def _resolved(uri: str, roots: Roots) -> str:
    address = address_of(uri)
    if address.remote:
        return uri
    real = roots.resolved(address.path)
    return f"{real}/" if address.path.endswith("/") and real != "/" else real
