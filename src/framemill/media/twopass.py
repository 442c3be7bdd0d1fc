"""Bits per second over a title: looked at first, shared out over the chunks by what each needs, then kept to.

A chunk's share depends on all chunks, so it is part of the plan: first every chunk is measured by a quick encode at one
quality, then the plan is written with the shares, and each chunk is encoded to its own, in two passes of its encoder.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av

from framemill.jobs.choices import Rate, most_share
from framemill.media.chunkfile import packets_of
from framemill.media.plan import Chunk
from framemill.media.rate import lasts
from framemill.media.title import Film, Title

#: What a chunk is measured with: what it takes in H.264 at one quality says how hard it is for any encoder.
_PROBE = {
    **{"video_codec": "h264", "passes": 1, "encoder_options": {}, "tone_map": "off"},
    **dict.fromkeys(("encoder", "speed", "quality", "bitrate_tier", "crf", "qp", "bitrate", "maxrate", "bufsize")),
    **dict.fromkeys(("encoder_preset", "tune", "profile", "level", "gop_frames", "gop_seconds", "pix_fmt")),
}
_PROBE_RATE = Rate(encoder_preset="superfast", crf=23)
_PROBE_FORMATS = ("yuv420p",)

#: No chunk gets less, however little is seen in it: encoders take no less, and what it leaves others would lack.
LEAST_BITRATE = 2_000
#: A chunk that misses its share by more is encoded again, with as much more or less asked for: the title shall come
#: within 2 % of its bit rate.
TOLERANCE = 0.015
#: And one that would leave a player less than it found is encoded again with so much of the maximum, time after time.
EASED = Fraction(92, 100)
MOST_TRIES = 4


def to_share(title: Title) -> tuple[int, ...]:
    """The renditions whose bits are shared out."""
    if title.film is None or not title.settings.two_passes:
        return ()
    return tuple(number for number, picture in enumerate(title.film.pictures) if picture.rate.bitrate)


def probe_of(title: Title) -> Title:
    """The same cut and drawn, encoded quickly at one quality: what each chunk takes says what share it needs."""
    film = title.pictured
    drawn = tuple(
        picture.model_copy(update={"rate": _PROBE_RATE, "pix_fmts": _PROBE_FORMATS}) for picture in film.pictures
    )
    return title.model_copy(
        update={
            "settings": title.settings.model_copy(update=_PROBE),
            "film": film.model_copy(update={"pictures": drawn}),
            "parts": tuple(probe_of(part) for part in title.parts),
        }
    )


def packet_sizes(path: Path) -> list[int]:
    """Bytes of a chunk's packets in the order of decoding, without its container."""
    with av.open(str(path)) as container:
        return [packet.size for packet in packets_of(container)]


def shares(bits: Sequence[int | None], seconds: Sequence[Fraction], bitrate: int, most: int) -> tuple[int, ...]:
    """Bits per second of each chunk, `bitrate` on average over all: as many for each as it took at one quality.

    `bits`: of each chunk at one quality (none: it could not be measured, and counts as an average one); `seconds`: how
    long each is; `most`: what no chunk may have more of.
    """
    lengths = [float(length) for length in seconds]
    known = [(taken, length) for taken, length in zip(bits, lengths, strict=True) if taken is not None]
    usual = sum(taken for taken, _ in known) / sum(length for _, length in known) if known else 1.0
    needs = [max(usual if taken is None else taken / length, 1.0) for taken, length in zip(bits, lengths, strict=True)]
    wanted = bitrate * sum(lengths)

    def shared(factor: float) -> list[float]:
        return [min(max(factor * need, LEAST_BITRATE), most) for need in needs]

    low, high = 0.0, (wanted + LEAST_BITRATE) / min(need * length for need, length in zip(needs, lengths, strict=True))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = sum(share * length for share, length in zip(shared(middle), lengths, strict=True)) > wanted
        low, high = (low, middle) if over else (middle, high)
    return tuple(round(share) for share in shared(low))


_HALVINGS = 80


def with_shares(title: Title, taken: Mapping[int, Sequence[int | None]]) -> Title:
    """The plan with each chunk's share in each rendition. `taken`: the bits of the probe's chunks by rendition.

    Of parts that are files of their own each has the bit rate that was asked for; of what is joined, all together.
    """
    return _given(title, _of_chunks(title, taken))


def _of_chunks(title: Title, taken: Mapping[int, Sequence[int | None]]) -> list[tuple[int, ...]]:
    """The shares of each chunk, by rendition."""
    film = title.pictured
    if title.apart:
        found, first = [], 0
        for part in title.parts:
            end = first + len(part.pictured.plan.chunks)
            found += _of_chunks(part, {number: bits[first:end] for number, bits in taken.items()})
            first = end
        return found
    seconds = [_seconds(film, chunk) for chunk in film.plan.chunks]
    by_rendition = [
        shares(taken[number], seconds, picture.rate.bitrate, most_share(picture.rate.bitrate, picture.rate.maxrate))
        if number in taken and picture.rate.bitrate is not None
        else (0,) * len(seconds)
        for number, picture in enumerate(film.pictures)
    ]
    return list(zip(*by_rendition, strict=True))


def _given(title: Title, of_chunks: Sequence[tuple[int, ...]]) -> Title:
    film = title.pictured
    chunks = tuple(
        chunk.model_copy(update={"shares": own}) for chunk, own in zip(film.plan.chunks, of_chunks, strict=True)
    )
    parts, first = [], 0
    for part in title.parts:
        end = first + len(part.pictured.plan.chunks)
        parts.append(_given(part, of_chunks[first:end]))
        first = end
    plan = film.plan.model_copy(update={"chunks": chunks})
    return title.model_copy(update={"film": film.model_copy(update={"plan": plan}), "parts": tuple(parts)})


def _seconds(film: Film, chunk: Chunk) -> Fraction:
    """How long a chunk is shown."""
    index = film.shown
    last = index.pts[-1] + index.last_duration
    end = index.pts[chunk.end] if chunk.end < len(index.pts) else last
    return max(end - index.pts[chunk.first], 1) * index.time_base


class Fared(NamedTuple):
    """How an encode of a chunk fared; the smallest is the best."""

    dry: bool
    """It may run a player dry."""
    missed: float
    """By what part of its share it has too much or too little; never negative."""
    off: float
    """The same with its sign."""

    @property
    def well(self) -> bool:
        """Nothing better is tried for."""
        return not self.dry and self.missed <= TOLERANCE


def fared(sizes: Sequence[int], chunk: Chunk, film: Film, share: int, rate: Rate) -> Fared:
    """`sizes`: bytes of the packets; `rate`: of the rendition."""
    index = film.shown
    last = index.pts[-1] + index.last_duration
    times = [*index.pts[chunk.first : chunk.end], index.pts[chunk.end] if chunk.end < len(index.pts) else last]
    durations = [(after - before) * index.time_base for before, after in pairwise(times)]
    off = float(8 * sum(sizes) / (share * _seconds(film, chunk))) - 1
    capped = rate.maxrate is not None and rate.bufsize is not None
    dry = capped and not lasts(sizes, durations, rate.maxrate or 0, rate.bufsize or 0)
    return Fared(dry, abs(off), off)


def asked_next(tried: Sequence[tuple[int, float]], share: int) -> int:
    """What to ask the encoder for, after these tries: what was asked for, and by how much that missed the share.

    What comes out follows what is asked for by some power, which the last two tries tell: at most four times or a
    quarter of the share is asked for.
    """
    asked, off = tried[-1]
    power = 1.0
    if len(tried) > 1:
        before, missed_by = tried[-2]
        if before != asked:
            power = math.log((1 + off) / (1 + missed_by)) / math.log(asked / before)
    power = min(max(power, _LEAST_POWER), _MOST_POWER)
    wanted: float = asked * (1 + off) ** (-1 / power)
    return round(min(max(wanted, share / _FARTHEST), share * _FARTHEST))


_LEAST_POWER, _MOST_POWER, _FARTHEST = 0.4, 3.0, 4
