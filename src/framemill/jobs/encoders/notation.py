"""How values of encoders are written: what a word may be, lists of `key=value`, levels."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value may be, and how that is told."""

    says: str
    pattern: str
    low: float | None = None
    high: float = 0

    def takes(self, text: str) -> bool:
        """Whether the text is such a value."""
        fits = re.fullmatch(self.pattern, text) is not None
        return fits and (self.low is None or self.low <= float(text) <= self.high)


def whole(low: int, high: int) -> Kind:
    """A whole number."""
    return Kind(f"a whole number from {low} to {high}", "-?[0-9]{1,7}", low, high)


def number(low: float, high: float) -> Kind:
    """A number, with a fraction or without."""
    return Kind(f"a number from {low:g} to {high:g}", r"-?[0-9]{1,7}(\.[0-9]{1,4})?", low, high)


def one_of(words: str) -> Kind:
    """One of these words."""
    return Kind(words.replace(" ", ", "), "|".join(map(re.escape, words.split())))


FLAG = one_of("0 1")


def split_params(text: str) -> list[tuple[str, str]]:
    """`key=value:key=value` as pairs, with `-` in the keys; a key without a value is switched on."""
    pairs = (part.partition("=") for part in text.split(":"))
    return [(key.replace("_", "-"), value if sign else "1") for key, sign, value in pairs]


def normal_params(given: Any) -> Any:
    """An encoder's own keys as text by key, in order, from that, from JSON, or from `key=value:key=value`."""
    if isinstance(given, str):
        return dict(sorted(split_params(given))) if given else {}
    if isinstance(given, Mapping):
        return {str(key).replace("_", "-"): _text(value) for key, value in sorted(given.items())}
    return given


def normal_level(given: Any) -> Any:
    """A level with its point, from 4, 4.0, "4", "40" or "4.0": `4.0`."""
    if given is None:
        return None
    text = _text(given)
    if re.fullmatch("[1-9]", text):
        return f"{text}.0"
    return f"{text[0]}.{text[1]}" if re.fullmatch("[1-9][0-9]", text) else text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown(word: str) -> str:
    """A word for a message: on one line, and not too long."""
    short = word if len(word) <= _LONGEST else f"{word[:_LONGEST]}…"
    return short if short.isprintable() else repr(short)


_LONGEST = 80
