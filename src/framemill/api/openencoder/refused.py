"""What is refused here in words of the door's own."""

from typing import Any

from framemill.errors import KeyRefused, WrongUse


class Refused(WrongUse):
    """A refusal with its status, and all that is told."""

    def __init__(self, status: int, told: dict[str, Any]) -> None:
        super().__init__(str(told.get("message", "")))
        self.status = status
        self.told = told


class Unknown(KeyRefused):
    """Nobody that the door knows."""


def coded(status: int, message: str) -> Refused:
    """As whoever looks after users there says it."""
    return Refused(status, {"code": status, "message": message})


def stated(status: int, message: str) -> Refused:
    """As the rest of it does."""
    return Refused(status, {"status": status, "message": message})
