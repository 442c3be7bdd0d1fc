"""What there is to do, as those who decide see it: small values, since there may be a hundred thousand of them."""

from typing import Literal, NamedTuple, TypeAlias

Lane: TypeAlias = Literal["encode", "stitch", "deliver"]
"""Who does such work: the workers, the stitchers, or these again in slots of their own: no slow network holds up a
join."""

ENCODE: Lane = "encode"
STITCH: Lane = "stitch"
DELIVER: Lane = "deliver"


class Standing(NamedTuple):
    """A job among the others."""

    job: str
    """Its id; ids sort by the time they were made."""
    account: str
    fairness_key: str = ""
    priority: int = 0
    """Higher goes first, always."""
    deadline: float = float("inf")
    """Seconds since the epoch: of one account's jobs the most urgent goes first."""


class Task(NamedTuple):
    """One order that somebody has to carry out: it takes one slot."""

    id: str
    """Says everything that the result depends on: two jobs that want the same share one task."""
    standing: Standing
    turn: int = 0
    """Order among the tasks of a job: low goes first; among equals the longest."""
    effort: float = 1.0
    """What it takes, in units that are alike over all tasks (seconds of a usual slot, roughly)."""
    after: float = 0.0
    """What its job needs behind it, in the same units but no slot of its lane: the join, which cannot begin before."""
    lane: Lane = ENCODE
    needs: str = ""
    """The encoder that a worker must have; none: any worker will do."""
    awaited: bool = False
    """Somebody may watch for it: among the last tasks of all, too, it goes in its turn, and not by length."""
    number: int = 0
    """Rank among what the job has submitted; for whoever submitted it."""

    @property
    def job(self) -> str:
        """The job that asked for it."""
        return self.standing.job

    @property
    def chain(self) -> float:
        """From its beginning to the end of its job, at the least."""
        return self.effort + self.after
