"""What this coordinator has seen done since it began: figures for whoever watches the farm."""

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0
"""Over which frames a second are reckoned."""


class Tally:
    """Counts chunks. Made anew with its process, so its figures begin at nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lately: deque[tuple[float, int]] = deque()
        self.chunks_encoded = 0
        self.chunks_reused = 0
        self.chunks_retried = 0
        self.frames_encoded = 0
        self.encode_slot_seconds = 0.0

    def encoded(self, chunks: int, frames: int, seconds: float) -> None:
        """Chunks came in; `seconds` of a slot."""
        self.chunks_encoded += chunks
        self.frames_encoded += frames
        self.encode_slot_seconds += seconds
        self._lately.append((self._clock(), frames))

    @property
    def frames_per_second(self) -> float:
        """Of the last minute, over all slots."""
        now = self._clock()
        while self._lately and self._lately[0][0] < now - WINDOW_SECONDS:
            self._lately.popleft()
        return sum(frames for _, frames in self._lately) / min(WINDOW_SECONDS, max(now - self._began, 1.0))

    def figures(self) -> dict[str, float]:
        """All that only grows."""
        return {
            "chunks_encoded": self.chunks_encoded,
            "chunks_reused": self.chunks_reused,
            "chunks_retried": self.chunks_retried,
            "frames_encoded": self.frames_encoded,
            "encode_slot_seconds": round(self.encode_slot_seconds, 3),
        }


TALLY = Tally()
"""Of this process: one coordinator has one process."""
