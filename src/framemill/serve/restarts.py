"""When a lost head is started again; a decision over numbers."""

#: A farm that ran that long is started again at once: it was lost to something else than its start.
STEADY_SECONDS = 5.0
_LONGEST_PAUSE = 30.0


def pause_before(failures: int) -> float:
    """Seconds to wait, after so many failures in a row: 0, 1, 2, 4 and so on up to 30."""
    return 0.0 if failures <= 1 else min(_LONGEST_PAUSE, 2.0 ** (failures - 2))


def failures_after(failures: int, ran_seconds: float) -> int:
    """How many failures in a row there are, when the farm was lost once more after it had served for that long."""
    return 1 if ran_seconds >= STEADY_SECONDS else failures + 1
