"""What work has cost: seconds, CPU seconds, memory."""

from framemill.jobs.settings import Value


class Usage(Value):
    """What one or more processes used."""

    seconds: float = 0.0
    """Wall time."""
    cpu_seconds: float = 0.0
    """User and system time of the processes."""
    peak_bytes: int = 0
    """Most resident memory of any one process; never less than whoever started it had, as Linux counts."""

    def __add__(self, other: "Usage") -> "Usage":
        """One after the other."""
        return Usage(
            seconds=self.seconds + other.seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            peak_bytes=max(self.peak_bytes, other.peak_bytes),
        )

    def share(self, part: float) -> "Usage":
        """A part of it, where one process did several things at once; the memory was needed for each."""
        return Usage(seconds=self.seconds * part, cpu_seconds=self.cpu_seconds * part, peak_bytes=self.peak_bytes)
