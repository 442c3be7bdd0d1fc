"""Jobs as the farm takes them: of conversions and inputs come outputs. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from framemill.api.onlineconvert import options, schemas, stores
from framemill.api.onlineconvert.kept import Conversion, OutputTarget, conversion_of, marked, passwords_in
from framemill.jobs.model import Input, Keep, Output
from framemill.services.callbacks import CallbackRequest
from framemill.services.fields import about
from framemill.services.inputs import InputRequest
from framemill.services.parts import OutputRequest
from framemill.storage import address

CHANGES, END = "onlineconvert", "onlineconvert-end"
"""By which jobs tell their callbacks: each change of their status, or that they are completed or have failed."""

_RETRY_SECONDS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
"""Ten more tries; its documents do not say when."""
_POLICY: Mapping[str, Any] = {
    "first_timeout_seconds": 3.0,
    "timeout_seconds": 10.0,
    "retry_seconds": _RETRY_SECONDS,
    "refusal_is_final": True,
}


def conversion_asked(
    asked: schemas.NewConversion, said: Mapping[str, Any] | None = None, base: str | None = None
) -> Conversion:
    """A conversion that is asked for; `said`: its options over those of a preset, where it names one; `base`: the
    farm's own preset below them. Raises `WrongUse`."""
    meant = options.checked(asked.target, asked.category, asked.options if said is None else said, base)
    made = Conversion(
        **meant.model_dump(),
        metadata=asked.metadata,
        output_target=tuple(OutputTarget.model_validate(one.model_dump()) for one in asked.output_target),
    )
    stores.targets_of(made)  # raises where it cannot be
    return made


def outputs_for(
    conversions: Sequence[Conversion],
    inputs: Sequence[InputRequest],
    known: Sequence[Output] = (),
    passwords: Sequence[str] = (),
) -> tuple[OutputRequest, ...]:
    """What the conversions (opened) make of these inputs, each under the id that it has already.

    `passwords`: any of them opens each output, and so do those of its conversion. Raises `WrongUse` about
    `conversion.N…`.
    """
    ids = {(conversion_of(one), one.input_ids): one.id for one in known}
    sources = [options.Source(place, name_of(one)) for place, one in enumerate(inputs)]
    wanted: list[OutputRequest] = []
    for number, conversion in enumerate(conversions):
        meant = options.Conversion(
            target=conversion.target,
            category=conversion.category,
            options=conversion.options,
            base=conversion.base,
        )
        with about(f"conversion.{number}"):
            for rank, plain in enumerate(options.outputs_of(meant, sources)):
                of = tuple(inputs[int(at)].id or "" for at in plain.inputs)
                said: dict[str, Any] = {
                    "id": ids.get((conversion.id, of)),
                    "targets": stores.targets_of(conversion, plain.settings.get("container"), rank + 1),
                    "passwords": passwords_of(conversion, passwords),
                    "metadata": {**plain.metadata, **marked(conversion)},
                }
                wanted.append(plain.model_copy(update=said))
    return tuple(wanted)


def passwords_of(conversion: Conversion, of_job: Sequence[str]) -> tuple[str, ...]:
    """Those that open what a conversion (opened) makes: its own, with commas between them, and those of its job."""
    own = passwords_in(str(conversion.options.get("download_password") or ""))
    return tuple(dict.fromkeys([*own, *of_job]))


def callbacks_of(url: str, notify_status: bool, sealed_secret: str | None = None) -> tuple[CallbackRequest, ...]:
    """Whom a job tells; an empty URL: nobody. `sealed_secret`: what that is signed with; none: it is not."""
    if not url:
        return ()
    when = {"on": "change", "scheme": CHANGES} if notify_status else {"on": "end", "scheme": END}
    return (CallbackRequest.model_validate({"url": url, "sealed_secret": sealed_secret, **when, **_POLICY}),)


def keep_of(fails: bool) -> Keep:
    """What a part that goes wrong does to its job."""
    return "fail" if fails else "keep"


def name_of(wanted: InputRequest | Input) -> str:
    """What an input is called."""
    return wanted.filename or address.name_of(wanted.uri)
