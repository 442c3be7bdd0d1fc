"""Several inputs one behind the other, as one title: what they have in common, and where each begins.

The first input says what the others become, where the settings do not: size, pixel format, frame rate. Every part has
that constant rate, so each is a whole number of frames long and the next one begins on the very next. The others are
fitted into the first one's picture, with bars.

An input that has only sound, beside others that have pictures, is no part of its own: it is heard with the pictures of
the input before it (of the first, where there is none before it) instead of their own sound, for as long as they last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from statistics import median_low
from typing import NamedTuple, TypeVar

from framemill.errors import FramemillError, InvalidSetting, SourceUnreadable
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.media.colour import Look
from framemill.media.drawing import step
from framemill.media.edit import edited, plan_edit
from framemill.media.index import FirstFrame, FrameIndex
from framemill.media.ladder import Picture, pictures
from framemill.media.laid import Laid
from framemill.media.options import SWS_FLAGS
from framemill.media.plan import Chunk, Group, VideoPlan, segment_starts
from framemill.media.source import Source
from framemill.media.title import Film, Place, Title, plan_title, refuse_damaged


@dataclass(frozen=True, slots=True)
class Part:
    """An input that is joined to others."""

    source: Source
    index: FrameIndex | None
    start: float | None = None
    """Seconds from its first picture; none: from there."""
    end: float | None = None
    dub: "Part | None" = None
    """What is heard with its pictures instead of its own sound."""


class Joined(NamedTuple):
    """The plan of several inputs."""

    title: Title
    left_out: tuple[str, ...] = ()
    """Of each input that cannot be joined, why."""


_NOTHING_LAID = Laid()


def plan_join(
    parts: Sequence[Part],
    settings: OutputSettings,
    run: RunSettings,
    build: str,
    *,
    keep: bool = False,
    laid: Laid = _NOTHING_LAID,
) -> Joined:
    """Plan an output that shows these inputs in order; `keep`: without those that cannot be joined; `laid`: over each.

    Raises `InvalidSetting` for settings that take one input, and as `plan_title` does.
    """
    if settings.unjoinable:
        raise InvalidSetting(f"Several inputs cannot be joined: {settings.unjoinable}.")
    wanted = settings.encodes_video and any(part.source.first_picture is not None for part in parts)
    if not wanted:
        return _heard(parts, settings, run, build, keep=keep)
    (good, clips), left_out = _sifted(dubbed(parts), lambda part: _clip(part, settings, run), keep=keep)
    rate = _rate(good[0], clips[0])
    rated = {"fps": str(rate), "fps_mode": "force"}
    targets = pictures(clips[0].model_copy(update=rated), _picture(good[0]), rate)

    def drawn(part: Part) -> _Drawn:
        own = _clip(part, settings, run).model_copy(update=rated)
        shapes = tuple(fitted(target, number, own, _picture(part)) for number, target in enumerate(targets))
        return _Drawn(own, len(_shown(part, own).pts), shapes)

    (good, found), misfits = _sifted(good, drawn, keep=keep)
    whole = _frames(sum(one.frames for one in found), rate)
    grid = segment_starts(whole, settings.segment_seconds) if settings.container == "package" else ()
    begins = [0, *accumulate(one.frames for one in found)]
    titles = []
    for part, own, (begin, end) in zip(good, found, pairwise(begins), strict=True):
        inner = tuple(start - begin for start in grid if begin <= start < end)
        place = Place(own.pictures, inner if grid else None)
        share = _share(run, own.frames, begins[-1])
        title = plan_title(part.source, part.index, own.settings, share, build, place, laid)
        titles.append(title.model_copy(update=_dub(part, settings, run, build)))
    film = Film(index=whole, plan=counted_through(titles, grid), pictures=targets)
    return Joined(_title(titles, settings, film), (*left_out, *misfits))


class _Drawn(NamedTuple):
    """What a part becomes."""

    settings: OutputSettings
    frames: int
    pictures: tuple[Picture, ...]


def _heard(parts: Sequence[Part], settings: OutputSettings, run: RunSettings, build: str, *, keep: bool) -> Joined:
    """The sounds of inputs without pictures, or of which nobody wants the pictures."""

    def planned(part: Part) -> Title:
        own = settings.model_copy(update={"start": part.start, "end": part.end})
        return plan_title(part.source, None, own, run, build)

    (_, titles), left_out = _sifted(parts, planned, keep=keep)
    return Joined(_title(titles, settings, None), left_out)


def dubbed(parts: Sequence[Part]) -> list[Part]:
    """The parts that have pictures, each with the sound of another that has none.

    Raises `InvalidSetting` where there are two for the same pictures.
    """
    found: list[Part] = []
    early: Part | None = None
    for part in parts:
        if part.source.inspection.video is not None:
            found.append(part)
            if early is not None and part.source.first_picture is not None:
                found[-1], early = replace(part, dub=early), None
            continue
        shown = next((at for at in reversed(range(len(found))) if found[at].source.first_picture is not None), None)
        said = early if shown is None else found[shown].dub
        if said is not None:
            raise InvalidSetting(
                f"{part.source.name} and {said.source.name} have no pictures, and stand beside the same ones, which "
                "are heard with one sound: join the two first, or leave one out."
            )
        if shown is None:
            early = part
        else:
            found[shown] = replace(found[shown], dub=part)
    return found


def _dub(part: Part, settings: OutputSettings, run: RunSettings, build: str) -> dict[str, Title]:
    if part.dub is None or settings.audio_codec == "none":
        return {}
    own = settings.model_copy(update={"start": part.dub.start, "end": part.dub.end})
    return {"dub": plan_title(part.dub.source, None, own, run, build)}


def _title(titles: Sequence[Title], settings: OutputSettings, film: Film | None) -> Title:
    sound = settings.audio_codec != "none" and any(title.speaker.sound for title in titles)
    changes = {"settings": settings, "zero": Fraction(0), "film": film, "sound": sound, "texts": (), "joined": False}
    return titles[0].model_copy(update={**changes, "parts": tuple(titles)})


Found = TypeVar("Found")


def _sifted(
    parts: Sequence[Part], look: Callable[[Part], Found], *, keep: bool
) -> tuple[tuple[list[Part], list[Found]], tuple[str, ...]]:
    """The parts that can be joined, what `look` says of them, and of the others why not. Raises what it raises where
    none may be left out, or none stays."""
    good: list[Part] = []
    found: list[Found] = []
    left_out: list[str] = []
    last: FramemillError | None = None
    for part in parts:
        try:
            found.append(look(part))
            good.append(part)
        except FramemillError as error:
            if not keep:
                raise
            last = error
            left_out.append(error.message)
    if last is not None and not good:
        raise last
    return (good, found), tuple(left_out)


def _clip(part: Part, settings: OutputSettings, run: RunSettings) -> OutputSettings:
    """The settings of one part. Raises `SourceError`s where there is nothing to show of it."""
    own = settings.model_copy(update={"start": part.start, "end": part.end})
    if part.source.first_picture is None:
        raise SourceUnreadable(
            f"{part.source.name} holds no pictures, so it cannot be joined to inputs that do: leave it out, or join "
            "the sounds alone (video_codec=none)."
        )
    refuse_damaged(part.source, part.index, run)
    _shown(part, own)
    return own


def _picture(part: Part) -> FirstFrame:
    if part.source.first_picture is None:
        raise SourceUnreadable(f"{part.source.name} holds no pictures.")
    return part.source.first_picture


def _shown(part: Part, settings: OutputSettings) -> FrameIndex:
    if part.index is None:
        raise SourceUnreadable(f"{part.source.name} holds no pictures.")
    return edited(part.index, plan_edit(settings, part.index, interlaced=part.source.interlaced))


def _rate(first: Part, settings: OutputSettings) -> Fraction:
    """Frames a second of all parts: what is asked for, else the first one's."""
    if part_index := first.index:
        edit = plan_edit(settings, part_index, interlaced=first.source.interlaced)
        if edit is not None and edit.rate is not None:
            return edit.rate
    return usual_rate(_shown(first, settings))


#: Rates that films have; times that are rounded to milliseconds tell them roughly.
_KNOWN = (
    *(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60, 100, 120)),
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)),
)
_NEAR = Fraction(1, 2000)  # half of what lies between 24 and 24000/1001


def usual_rate(index: FrameIndex) -> Fraction:
    """The rate at which most frames follow each other, whatever holes there are."""
    gaps = [after - before for before, after in pairwise(index.pts) if after > before]
    usual = median_low(gaps) if gaps else index.last_duration
    near = [gap for gap in gaps if abs(gap - usual) <= 1] or [usual]
    rate = Fraction(len(near), sum(near)) / index.time_base
    known = min(_KNOWN, key=lambda one: abs(one - rate))
    return known if abs(known - rate) <= known * _NEAR else rate.limit_denominator(1001)


def _frames(count: int, rate: Fraction) -> FrameIndex:
    """So many frames at that rate, from 0."""
    each = rate.denominator
    return FrameIndex(
        time_base=Fraction(1, rate.numerator),
        pts=tuple(range(0, count * each, each)),
        last_duration=each,
        source="packets",
        why="the frames of the inputs that are joined, at one rate",
    )


def fitted(target: Picture, number: int, settings: OutputSettings, first: FirstFrame) -> Picture:
    """What a source becomes in another one's rendition: its own picture where that is alike, else inside with bars.

    `number`: the rendition's. Raises `InvalidSetting` where the one's light cannot be shown as the other's.
    """
    pixels = settings.model_copy(update={"pix_fmt": target.pix_fmt, "bit_depth": None})
    alike = [own for own in pictures(pixels, first)[number : number + 1] if _alike(own, target)]
    if alike:
        drawn, steps = alike[0], alike[0].steps
    else:
        box = {"width": _square(target), "height": target.height, "fit": "pad", "upscale": True}
        (drawn,) = pictures(pixels.model_copy(update={"size": None, "ladder": (), **box}), first)
        steps = drawn.steps
        if (drawn.width, drawn.height) != (target.width, target.height):
            steps = (*steps, step("scale", w=target.width, h=target.height, flags=SWS_FLAGS))
    return target.model_copy(update={"steps": steps, "look": matched(drawn.look, target.look, target.pix_fmts[0])})


def _alike(own: Picture, target: Picture) -> bool:
    told = ("width", "height", "pix_fmts", "sample_aspect_ratio")
    return all(getattr(own, name) == getattr(target, name) for name in told)


def matched(own: Look, target: Look, pix_fmt: str) -> Look:
    """The colours of one source as those of another, in that format.

    Raises `InvalidSetting` where the one has more light than the other.
    """
    if own.dynamic != target.dynamic:
        raise InvalidSetting(
            f"Pictures of {_LIGHT[own.dynamic]} cannot be joined to the first input's of {_LIGHT[target.dynamic]}: "
            "leave them out, or set bit_depth=8, which makes all of standard range."
        )
    tags = ("color_range", "matrix", "primaries", "transfer")
    told = {"before": own.before, "steps": own.steps, "told": own.told, "base_layer": own.base_layer}
    if any(getattr(own, name) != getattr(target, name) for name in tags):
        was, becomes = (dict(zip(_ZSCALE, (_levels(one), *_named(one)), strict=True)) for one in (own, target))
        into = {f"{name}in": value for name, value in was.items()}
        # Right behind the decoder, or behind what has made them of another kind; and in a format whose name does not
        # say a range, or else `scale` would change it once more.
        place = "steps" if own.steps else "before"
        converted = step("zscale", **into, **becomes, agamma=0), step("format", pix_fmts=pix_fmt)
        told[place] = (*getattr(own, place), *converted)
    return target.model_copy(update=told)


_LIGHT = {"SDR": "standard range", "PQ": "high dynamic range (PQ)", "HLG": "high dynamic range (HLG)"}
_ZSCALE = ("range", "matrix", "primaries", "transfer")


def _levels(one: Look) -> str:
    return "limited" if one.color_range == "tv" else "full"


def _named(one: Look) -> tuple[str, str, str]:
    return one.matrix, one.primaries, one.transfer


def _square(target: Picture) -> int:
    """The width of the picture as it is seen, in square pixels; even."""
    across, _, down = target.sample_aspect_ratio.partition("/")
    aspect = Fraction(int(across) or 1, int(down or 1) or 1)
    return target.width if aspect == 1 else max(2, round(target.width * aspect / 2) * 2)


def _share(run: RunSettings, frames: int, whole: int) -> RunSettings:
    """A part's share of so many chunks."""
    return run if run.chunks is None else run.model_copy(update={"chunks": max(1, round(run.chunks * frames / whole))})


def counted_through(titles: Sequence[Title], grid: tuple[int, ...]) -> VideoPlan:
    """All parts' chunks and groups, counted through. Where a group's decode starts, its part says."""
    chunks: list[Chunk] = []
    groups: list[Group] = []
    frames = 0
    for title in titles:
        film = title.pictured
        count, effort = len(film.shown.pts), sum(chunk.effort for chunk in film.plan.chunks) or 1
        first = len(chunks)
        for chunk in film.plan.chunks:
            place = {"number": first + chunk.number, "first": frames + chunk.first, "end": frames + chunk.end}
            # Efforts are in units of each part's own: one frame of the one is worth one of the other.
            chunks.append(chunk.model_copy(update={**place, "effort": chunk.effort * count * _EFFORT // effort}))
        for group in film.plan.groups:
            span = {"first_chunk": first + group.first_chunk, "end_chunk": first + group.end_chunk}
            groups.append(group.model_copy(update={**span, "number": len(groups), "seek": None}))
        frames += count
    return VideoPlan(chunks=tuple(chunks), groups=tuple(groups), segments=grid, trim_by="pts")


_EFFORT = 1000
