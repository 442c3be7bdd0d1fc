"""What is refused here for a reason that Convertrilo has a code of its own for."""

from typing import Any

from framemill.errors import WrongUse


class Refused(WrongUse):
    """A refusal with its status, its code, and what is told beside."""

    def __init__(self, status: int, code: str, message: str, **told: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.told = told
