"""What this door refuses in its own right."""

from framemill.errors import WrongUse


class Refused(WrongUse):
    """A refusal with a status of its own."""

    def __init__(self, status: int, message: str) -> None:
        """`status`: HTTP's."""
        super().__init__(message)
        self.status = status


def over_limit(message: str) -> Refused:
    """More than the job's limits allow."""
    return Refused(402, message)
