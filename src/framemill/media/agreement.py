"""Whether two files show the same frames at the same times and sound as long: the gate for any pair of files."""

from collections.abc import Iterator
from fractions import Fraction

from framemill.errors import SourceUnreadable
from framemill.jobs.settings import Value
from framemill.media.index import decoded
from framemill.media.plan import presentation_times
from framemill.media.source import index_source, read_source

# Containers that count time coarsely (Matroska: milliseconds) are off by one tick of theirs at most.
_SYNC_SECONDS = Fraction(1, 1000)
# Lossy codecs pad the last packet: AAC to 1,024 samples, and its decoder keeps the priming of as many more.
_PACKET_SAMPLES = 1024
_PADDED_PACKETS = 2


class Sound(Value):
    """The chosen audio stream, as a decode delivers it."""

    start: Fraction
    """Seconds."""
    samples: int
    rate: int


class Side(Value):
    """What one of two files shows."""

    name: str
    times: tuple[Fraction, ...] = ()
    """Of every frame in seconds, in the order of showing."""
    tick: Fraction = Fraction(0)
    """What its container counts in, in seconds."""
    first_key: bool = True
    """Whether the first packet is a keyframe."""
    parameter_sets: int = 1
    """How many follow one another."""
    sound: Sound | None = None
    complaints: tuple[str, ...] = ()
    """What the decoders said."""
    frames_decoded: int | None = None
    """Where all pictures were decoded."""

    @property
    def zero(self) -> Fraction:
        """The start of the earliest stream."""
        starts = [*self.times[:1], *([self.sound.start] if self.sound else [])]
        return min(starts, default=Fraction(0))


class Check(Value):
    """One thing that was looked at."""

    what: str
    expected: str
    found: str
    passed: bool


def agree(source: Side, output: Side) -> Iterator[Check]:
    """Everything that a faithful encode keeps: frames, times, the place and length of the sound."""
    if output.times:
        yield _check("frames", len(source.times), len(output.times), len(source.times) == len(output.times))
        yield _times(source, output)
        yield _check("begins with a keyframe", "yes", "yes" if output.first_key else "no", output.first_key)
        yield _check("parameter sets", 1, output.parameter_sets, output.parameter_sets == 1)
    if output.frames_decoded is not None:
        whole = output.frames_decoded == len(output.times)
        yield _check("frames decoded", len(output.times), output.frames_decoded, whole)
    if output.sound is not None:
        yield from _sounds(source, output, output.sound)
    said = output.complaints[0] if output.complaints else "none"
    yield _check("complaints of the decoder", "none", said, not output.complaints)


def _check(what: str, expected: object, found: object, passed: bool) -> Check:
    return Check(what=what, expected=str(expected), found=str(found), passed=passed)


def _times(source: Side, output: Side) -> Check:
    tick = max(source.tick, output.tick)
    pairs = zip(_from(source), _from(output), strict=False)
    errors = [(abs(found - planned), number) for number, (planned, found) in enumerate(pairs)]
    worst, frame = max(errors, default=(Fraction(0), 0))
    allowed = f"each within {float(tick) * 1000:.3f} ms"
    return _check("times", allowed, f"at most {float(worst) * 1000:.3f} ms off (frame {frame})", worst <= tick)


def _from(side: Side) -> list[Fraction]:
    return [time - side.zero for time in side.times]


def _sounds(source: Side, output: Side, heard: Sound) -> Iterator[Check]:
    original = source.sound
    if original is None:
        yield _check("sound", "none", "there is some", False)
        return
    at, planned = heard.start - output.zero, original.start - source.zero
    near = abs(at - planned) <= _SYNC_SECONDS + max(source.tick, output.tick)
    yield _check("sound begins at", f"{float(planned):.3f} s", f"{float(at):.3f} s", near)
    long, longer = Fraction(original.samples, original.rate), Fraction(heard.samples, heard.rate)
    padding = Fraction(_PADDED_PACKETS * _PACKET_SAMPLES, min(original.rate, heard.rate))
    within = abs(longer - long) <= padding
    expected = f"{original.samples} samples, {float(long):.3f} s"
    yield _check("length of the sound", expected, f"{heard.samples} samples, {float(longer):.3f} s", within)


async def side_of(path: str, name: str, *, full: bool = False) -> Side:
    """Read one file. `full`: decode its pictures, too. Raises `SourceError` and its kinds."""
    source = await read_source(path, name)
    index = await index_source(source, decode=False, linear=False)
    packets = source.inspection.packets
    said: list[str] = []
    times: list[Fraction] = []
    tick = Fraction(0)
    if index is not None:
        tick = index.time_base
        times = [time * tick for time in presentation_times(index.pts)]
        said += index.complaints
    sound = None
    if source.first_sound is not None:
        rate = int(source.sound.get("sample_rate", 0)) or source.first_sound.time_base.denominator
        rows, complaints = await decoded(path, f"0:a:{source.sound_rank}")
        sound = Sound(start=source.first_sound.seconds, samples=sum(row.duration for row in rows), rate=rate)
        said += complaints.lines
    frames = None
    if full and index is not None:
        rows, complaints = await decoded(path, "0:V:0")
        frames = len(rows)
        said += complaints.lines
    if index is None and sound is None:
        raise SourceUnreadable(f"{name} holds neither pictures nor sound that can be decoded.")
    return Side(
        name=name,
        times=tuple(times),
        tick=tick,
        first_key=index is None or packets.keys[:1] == [0],
        parameter_sets=1 + packets.reconfigured,
        sound=sound,
        complaints=tuple(dict.fromkeys(said)),
        frames_decoded=frames,
    )
