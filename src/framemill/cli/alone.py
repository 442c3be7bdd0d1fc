"""`framemill encode` without a running farm: one of its own, which ends with the job."""

from collections.abc import Sequence
from typing import Any

from framemill.cli.encode import Bar, show_result, terminated_as_interrupted
from framemill.farm.slots import usual_slots
from framemill.services.local import encode_once
from framemill.services.own import own_access
from framemill.services.requests import Openers, encode_request


def encode_alone(
    source: str,
    destination: str,
    preset: str | None,
    assignments: dict[str, str],
    slots: int | None,
    *,
    as_json: bool,
    verbose: bool,
    words: Sequence[str] = (),
    join: Sequence[str] = (),
    openers: Openers = Openers(),  # noqa: B008 (immutable)
) -> int:
    """Run the job; the exit code."""
    own = Openers(*(own_access(uri, name) for uri, name in zip((source, destination), openers, strict=True)))
    request = encode_request(source, destination, preset, assignments, words, join=join, openers=own)
    ended: dict[str, Any] = {}

    def on_end(row: dict[str, Any]) -> None:
        bar.__exit__()
        ended.update(row)
        show_result(row, as_json=as_json)

    with terminated_as_interrupted(), Bar(show=not as_json) as bar:
        encode_once(request, slots or usual_slots(), bar.update, on_end, verbose=verbose)
    return 0 if ended["state"] == "completed" else 1
