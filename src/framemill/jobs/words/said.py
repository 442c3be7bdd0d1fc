"""One of ffmpeg's options as somebody said it, and what it is said of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from framemill.errors import InvalidSetting
from framemill.jobs.encoders.notation import shown
from framemill.jobs.encoders.table import ENCODERS, Encoder


@dataclass(frozen=True, slots=True)
class Said:
    """One option with its value."""

    option: str
    """As it was typed, without the dash."""
    name: str
    """As ffmpeg calls it, without the stream."""
    stream: str
    """v, a, s or d; empty: all."""
    value: str = ""

    def refuse(self, why: str) -> NoReturn:
        """Raise the error that names this option."""
        raise InvalidSetting(f"{shown(f'-{self.option} {self.value}'.rstrip())}: {why}.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Our names of the codecs that the options are said of."""

    video: str
    audio: str

    def encoder(self, said: Said) -> Encoder:
        """The encoder of the pictures; the option is refused where there is none."""
        self.encoded(said)
        if self.video not in ENCODERS:
            said.refuse(f"the {self.video} encoder takes no such option here; -b:v says its rate")
        return ENCODERS[self.video]

    def encoded(self, said: Said) -> None:
        """The option is refused where no pictures are encoded."""
        if self.video in {"none", "copy"}:
            said.refuse("no pictures are encoded" if self.video == "none" else "copied pictures are not encoded")


Changes = dict[str, Any]
Reader = Callable[[Said, Chosen], Changes]
"""Fields of the output settings by name; of `encoder_options` only what is added. Refuses what does not fit."""
