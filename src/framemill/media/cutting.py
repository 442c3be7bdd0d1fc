"""Parts of one source as files of their own: where they begin and end, and the plan of them all.

Each part is planned as if it were alone, so that what is encoded for it is what another output of that part would
have, too. Their chunks are counted through, as those of inputs that are joined are.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, count, pairwise, takewhile

from framemill.errors import InvalidSetting, SourceUnreadable
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.jobs.settings.pieces import MOST_PIECES, PieceSettings
from framemill.media.estimate import told_seconds
from framemill.media.index import FrameIndex
from framemill.media.joining import counted_through
from framemill.media.laid import Laid
from framemill.media.picking import length
from framemill.media.source import Source
from framemill.media.title import Film, Title, plan_title

_WHOLE = {name: field.get_default(call_default_factory=True) for name, field in PieceSettings.model_fields.items()}
_NOTHING_LAID = Laid()
_LAST = Fraction(1, 20)
"""Seconds, of a sound: what is left of it behind the last part is no part of its own."""
_TICK = Fraction(1, 1_000_000)


def plan_cut(  # noqa: PLR0917 - as of plan_title
    source: Source,
    index: FrameIndex | None,
    settings: OutputSettings,
    run: RunSettings,
    build: str,
    laid: Laid = _NOTHING_LAID,
) -> Title:
    """Plan an output whose parts are files of their own. Raises as `plan_title` does, and `InvalidSetting` for more
    parts than there may be."""
    if index is None:
        spans = cut_spans(settings, told_seconds(source.inspection.facts))
    else:
        spans = cut_spans(settings, length(index), index.last_duration * index.time_base)
    titles = []
    for start, end in spans:
        own = settings.model_copy(update={**_WHOLE, "start": start, "end": end, "duration": None})
        titles.append(plan_title(source, index, own, run, build, laid=laid))
    changes: dict[str, object] = {
        "settings": settings,
        "parts": tuple(titles),
        "apart": True,
        "voices": (),
        "texts": (),
    }
    first = titles[0]
    if first.film is None:
        return first.model_copy(update=changes)
    film = first.film
    changes["index"] = film.index
    whole = Film(index=_shown(titles), plan=counted_through(titles, ()), pictures=film.pictures)
    return first.model_copy(update={**changes, "film": whole, "sound": any(title.sound for title in titles)})


def cut_spans(settings: OutputSettings, seconds: Fraction, last: Fraction = _LAST) -> list[tuple[float, float | None]]:
    """Where each part begins and ends, in seconds of a source that is so long; none: with it. `last`: how long its last
    picture is shown, behind whose beginning no part begins.

    Raises `SourceUnreadable` where nothing is left to cut, `InvalidSetting` for more parts than there may be.
    """
    if settings.cut_spans:
        return [(piece.start, piece.end) for piece in settings.cut_spans]
    start = Fraction(str(settings.start or 0))
    end = seconds if settings.until is None else min(seconds, Fraction(str(settings.until)))
    if start >= end:
        raise SourceUnreadable(f"Nothing of the source's {float(seconds):.3f} s is left to cut: set start and end.")
    if settings.cut_count is not None:
        step = (end - start) / settings.cut_count
        bounds = [start + number * step for number in range(settings.cut_count)]
    else:
        step = Fraction(str(settings.cut_seconds or seconds))
        if (end - start) / step > MOST_PIECES:
            raise InvalidSetting(
                f"cut_seconds={float(step):g}: {float(end - start):.0f} s become more than {MOST_PIECES} parts."
            )
        until = min(end, max(seconds - last, start) + _TICK)
        bounds = list(takewhile(lambda bound: bound < until, (start + number * step for number in count())))
    ends: list[float | None] = [float(bound) for bound in bounds[1:]]
    return list(zip(map(float, bounds), [*ends, settings.until], strict=True))


def _shown(titles: Sequence[Title]) -> FrameIndex:
    """The frames of all parts, one part behind the other: those of different parts may be the same."""
    shown = [title.pictured.shown for title in titles]
    spans = [one.rising[-1] - one.rising[0] + one.last_duration for one in shown]
    times: list[int] = []
    for one, (begin, _) in zip(shown, pairwise([0, *accumulate(spans)]), strict=True):
        times += [time - one.pts[0] + begin for time in one.pts]
    index = titles[0].pictured.index
    return index.model_copy(
        update={
            "time_base": shown[0].time_base,
            "pts": tuple(times),
            "last_duration": shown[-1].last_duration,
            "seek_points": (),
            "hashes": (),
        }
    )
