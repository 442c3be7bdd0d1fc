"""What its owner may make of a held job: each change as a function from how it stands to how it shall be.

Sources are looked at on the way, so these block; nothing is written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from framemill.errors import WrongUse
from framemill.jobs import lifecycle
from framemill.jobs.model import Input, Job, Output
from framemill.services.callbacks import taken
from framemill.services.callers import Caller
from framemill.services.desk import Desk
from framemill.services.inputs import InputRequest, input_changed, input_of, inputs_of, require_room
from framemill.services.parts import (
    MOST_OUTPUTS,
    OutputRequest,
    output_changed,
    output_of,
    outputs_of,
    replaced,
    the_part,
)
from framemill.services.paths import open_inputs, open_outputs, refuse_closed
from framemill.services.submission import JobChanges

Rewritten: TypeAlias = tuple[Job, Sequence[Input], Sequence[Output]]
"""A job as it shall be, with its parts."""
Rewrite: TypeAlias = Callable[[Job, Sequence[Input], Sequence[Output]], Rewritten]
"""A change of a job, whichever version of it is there."""


@dataclass(frozen=True, slots=True)
class Editor:
    """Changes that a caller asks for; each raises as `submission.new_job` does for what cannot be."""

    caller: Caller
    desk: Desk | None
    named: Callable[[Sequence[InputRequest]], tuple[InputRequest, ...]]
    """Uploads, and what is like another job's input, under their names."""

    def changed(self, changes: JobChanges) -> Rewrite:
        """With what is set in `changes`."""
        said = changes.model_fields_set

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> Rewritten:
            if "inputs" in said:
                known = {one.id: one for one in inputs}
                asked = open_inputs(self.named(changes.inputs), self.caller, self.desk, known)
                limits = changes.limits if "limits" in said else job.limits
                inputs = inputs_of(job.id, asked, known, account=job.account, desk=self.desk, limits=limits)
            if "outputs" in said:
                before = {one.id: one for one in outputs}
                wanted = open_outputs(changes.outputs, self.caller, self.desk, before)
                outputs = outputs_of(job.id, wanted, inputs, before, account=job.account, desk=self.desk)
                refuse_closed(outputs, self.caller, self.desk)
            plain = {name: getattr(changes, name) for name in said - {"inputs", "outputs"}}
            if "callbacks" in said:
                plain["callbacks"] = taken(changes.callbacks, self.desk)
            return lifecycle.amend(job, **plain), inputs, outputs

        return rewrite

    def input_set(self, wanted: InputRequest, told: list[str]) -> Rewrite:
        """With one more input, or the one of its id changed; `told` is then its id."""

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> Rewritten:
            before = None if wanted.id is None else the_part(inputs, wanted.id, "input")
            if before is None:
                require_room(len(inputs) + 1, job.limits)
            asked = wanted if before is None else input_changed(before, wanted)
            known = {} if before is None else {before.id: before}
            (asked,) = open_inputs(self.named([asked]), self.caller, self.desk, known)
            position = len(inputs) if before is None else before.position
            made = input_of(job.id, asked, position, before, account=job.account, desk=self.desk)
            told[:] = [made.id]
            return lifecycle.amend(job), replaced(inputs, before, made), outputs

        return rewrite

    def output_set(self, wanted: OutputRequest, told: list[str]) -> Rewrite:
        """The same of an output."""

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> Rewritten:
            before = None if wanted.id is None else the_part(outputs, wanted.id, "output")
            if before is None and len(outputs) >= MOST_OUTPUTS:
                raise WrongUse(f"A job takes {MOST_OUTPUTS} outputs, and has them.")
            asked = wanted if before is None else output_changed(before, wanted)
            known = {} if before is None else {before.id: before}
            (asked,) = open_outputs([asked], self.caller, self.desk, known)
            others = [one for one in outputs if one is not before]
            position = len(outputs) if before is None else before.position
            made = output_of(
                *(job.id, asked, position, inputs),
                others=others, before=before, account=job.account, desk=self.desk,
            )  # fmt: skip
            refuse_closed([made], self.caller, self.desk)
            told[:] = [made.id]
            return lifecycle.amend(job), inputs, replaced(outputs, before, made)

        return rewrite

    @staticmethod
    def without(part: Literal["inputs", "outputs"], part_id: str) -> Rewrite:
        """Without that input or output."""

        def rewrite(job: Job, inputs: Sequence[Input], outputs: Sequence[Output]) -> Rewritten:
            if part == "inputs":
                gone = the_part(inputs, part_id, "input")
                return lifecycle.amend(job), [one for one in inputs if one is not gone], outputs
            lost = the_part(outputs, part_id, "output")
            return lifecycle.amend(job), inputs, [one for one in outputs if one is not lost]

        return rewrite
