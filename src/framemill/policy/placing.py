"""Where a task may go: to workers that can carry it out, and not just anywhere once it has failed."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from framemill.policy.fleet import Member
from framemill.policy.tasks import Task


@dataclass(slots=True)
class Picky:
    """A task that failed: it may not go just anywhere, or not at once."""

    task: Task
    due: float
    avoid: frozenset[str]
    """Machines, while there are others."""
    alone: bool
    """With nothing beside it on its worker."""


def able(task: Task, members: Collection[Member]) -> Iterator[Member]:
    """The workers that can have such work."""
    return (member for member in members if _can(member, task))


def bound(picky: Picky, members: Collection[Member]) -> bool:
    """Whether it matters where it goes: it runs alone, or a machine that it avoids is there, and another one."""
    if picky.alone:
        return True
    avoided = {member.machine in picky.avoid for member in able(picky.task, members)}
    return avoided == {True, False}


def suits(picky: Picky, member: Member, members: Collection[Member]) -> bool:
    """Whether it may go to that worker."""
    if not _can(member, picky.task):
        return False
    return member.machine not in picky.avoid or not _elsewhere(picky, members)


def emptiest(picky: Picky, members: Collection[Member]) -> Member | None:
    """Of the workers to which it may go the one that is the least busy."""
    elsewhere = _elsewhere(picky, members)
    suiting = (each for each in able(picky.task, members) if not elsewhere or each.machine not in picky.avoid)
    return min(suiting, key=lambda member: (member.busy, member.report.worker), default=None)


def _can(member: Member, task: Task) -> bool:
    report = member.report
    return report.lane == task.lane and not member.barred and (not task.needs or task.needs in report.encoders)


def _elsewhere(picky: Picky, members: Collection[Member]) -> bool:
    """Whether there is a machine for it that it does not avoid."""
    return any(member.machine not in picky.avoid for member in able(picky.task, members))
