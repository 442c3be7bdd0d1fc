"""What is laid over the pictures: still pictures, and texts that are drawn in.

Both are made ready once, while the output is planned: a picture becomes a PNG, a text track a file of its own with
nothing but the texts. So what cannot be read is refused before anything is encoded, and a worker reads no stranger's
file for each chunk.
"""

import asyncio
import bisect
import hashlib
import importlib.metadata
import importlib.resources
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import ffmpeg as graph

from framemill.errors import FfmpegFailed, InvalidSetting, SourceTooLarge, SourceUnreadable
from framemill.jobs.settings import Value
from framemill.jobs.settings.shape import Overlay
from framemill.media import ffmpeg
from framemill.media.bombs import MOST_PIXELS
from framemill.media.index import FirstFrame, FrameIndex, parse_framehash
from framemill.media.options import SWS_FLAGS, is_rgb
from framemill.secrets import mask_url


class Stamp(Value):
    """A still picture that is ready to be laid over the frames."""

    path: str
    """A PNG."""
    sha256: str
    """Of the file that it was made of."""
    width: int
    height: int
    """Its own size, in pixels."""
    where: Overlay

    @property
    def content(self) -> dict[str, Any]:
        """What of it decides the bytes of what it is laid over."""
        return self.model_dump(exclude={"path": True, "where": {"uri"}})


class Lines(Value):
    """Texts that are ready to be drawn in."""

    path: str
    """Matroska with one ASS track, on the clock of the source, and the fonts that came with it."""
    sha256: str
    """Of that file."""
    plain: bool
    """Whether they bring no style of their own, so that ours is taken."""
    overlapping: bool
    """Whether two of them are shown at once. They keep the places that they found free, so it counts what was shown
    before: such pictures are encoded in one piece."""

    @property
    def content(self) -> dict[str, Any]:
        """What of it decides the bytes of what it is drawn into."""
        return {**self.model_dump(exclude={"path"}), "fonts": importlib.metadata.version(_FONTS)}


class Laid(Value):
    """All that is laid over one output's frames; the first stamp is the lowest."""

    stamps: tuple[Stamp, ...] = ()
    lines: Lines | None = None
    bitmaps: int | None = None
    """Rank of the source's subtitle track that is pictures itself."""

    @property
    def undivided(self) -> str:
        """Why the pictures cannot be encoded in chunks; empty where they can."""
        if self.bitmaps is not None:
            return "subtitles that are pictures stay until the next one comes"
        return "texts that are shown at once keep their places" if self.lines and self.lines.overlapping else ""

    @property
    def content(self) -> dict[str, Any]:
        """What of it decides the bytes of what it is laid over."""
        return {
            "stamps": [stamp.content for stamp in self.stamps],
            "lines": None if self.lines is None else self.lines.content,
            "bitmaps": self.bitmaps,
        }

    def refuse_dazzling(self, *dynamics: str) -> None:
        """Raise `InvalidSetting` where something would be laid over pictures of that dynamic range (see `colour`):
        white of a screen's 200 cd/m² would be as bright as such pictures can be, up to 10000."""
        dynamic = next((dynamic for dynamic in dynamics if dynamic != "SDR"), None)
        if dynamic is not None and self != Laid():
            raise InvalidSetting(
                f"Pictures and texts are laid over standard dynamic range only, and the output has {dynamic}: "
                "set bit_depth to 8, which maps it, or take overlays and burn_subtitles away."
            )


_FONTS = "ttf-opensans"
_OUR_STYLE = "FontName=Open Sans"
#: Text codecs whose lines say themselves how they look.
_STYLED = frozenset({"ass", "ssa"})
#: Codecs of subtitles that are pictures.
BITMAPS = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"})
#: What may be opened for a picture and for texts: nothing that names another file, which would be read as well.
_PICTURES = "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,gif,tiff_pipe,image2"
_TEXTS = {".srt": "srt", ".ass": "ass", ".ssa": "ass", ".vtt": "webvtt"}
_TEXT_BYTES = 16 << 20  # a film's subtitles have 100 kB, with drawings in them a few MB
_QUIET = ("-nostdin", "-v", "level+warning", "-y")


async def read_stamp(path: str, overlay: Overlay, target: Path) -> Stamp:
    """Make the picture at `path` ready, in `target`. Raises `SourceUnreadable` where it is none."""
    still = ("-map", "0:V:0", "-frames:v", "1", "-vf", f"scale=flags={SWS_FLAGS},format=rgba")
    bounded = ("-protocol_whitelist", "file", "-format_whitelist", _PICTURES, "-max_pixels", str(MOST_PIXELS))
    argv = [*_QUIET, *bounded, "-i", path]
    try:
        done = await ffmpeg.ffmpeg(
            [*argv, *still, "-f", "image2", "-c:v", "png", "-update", "1", str(target), *still, "-f", "framehash", "-"]
        )
    except FfmpegFailed as error:
        raise SourceUnreadable(
            f"overlays: {mask_url(overlay.uri)} cannot be read as a picture ({ffmpeg.first_words(error.stderr)}). "
            "Give a PNG, JPEG, WebP, GIF, BMP or TIFF."
        ) from None
    header, _ = parse_framehash(done.stdout.decode())
    width, height = (int(side) for side in header["dimensions"].split("x"))
    digest = await asyncio.to_thread(_sha256, Path(path))
    return Stamp(path=str(target), sha256=digest, width=width, height=height, where=overlay)


async def read_track(path: str, rank: int, codec: str, target: Path) -> Lines:
    """Make the text track of that rank of a source ready, in `target`. Raises `SourceUnreadable`."""
    name = f"Text track {rank} ({codec})"
    return await _read_lines([], path, rank, target, name=name, plain=codec not in _STYLED)


async def read_file(path: str, name: str, begin: Fraction, target: Path) -> Lines:
    """Make the text file at `path`, which its owner calls `name`, ready in `target`.

    `begin`: seconds on the source's clock from which the file's times count. Raises `SourceUnreadable`.
    """
    form = _TEXTS.get(Path(name.partition("?")[0]).suffix.lower())
    if form is None:
        raise InvalidSetting(
            f"burn_subtitles: {mask_url(name)} ends in none of {', '.join(_TEXTS)}; name it by what it holds."
        )
    size = await asyncio.to_thread(os.path.getsize, path)
    if size > _TEXT_BYTES:
        raise SourceTooLarge(f"burn_subtitles: {mask_url(name)} has {size} bytes; up to {_TEXT_BYTES} are taken.")
    options = ["-itsoffset", f"{float(begin):.6f}", "-protocol_whitelist", "file", "-f", form]
    return await _read_lines(options, path, 0, target, name=mask_url(name), plain=form != "ass")


async def _read_lines(options: Sequence[str], path: str, rank: int, target: Path, *, name: str, plain: bool) -> Lines:
    track = ("-map", f"0:s:{rank}")
    texts = [*track, "-map", "0:t?", "-c:s", "ass", "-c:t", "copy", "-fflags", "+bitexact", "-f", "matroska"]
    times = [*track, "-c", "copy", "-f", "framehash", "-hash", "murmur3", "-"]
    try:
        done = await ffmpeg.ffmpeg([*_QUIET, "-copyts", *options, "-i", path, *texts, str(target), *times])
    except FfmpegFailed as error:
        raise SourceUnreadable(_unread(name, ffmpeg.first_words(error.stderr))) from None
    if said := [line for line in ffmpeg.errors_in(done.stderr) if "UTF-8" in line]:  # such a text would be left out
        raise SourceUnreadable(_unread(name, said[0]))
    _, rows = parse_framehash(done.stdout.decode())
    if not rows:
        raise SourceUnreadable(f"burn_subtitles: {name} holds no text.")
    said_when = sorted((row.pts, row.pts + row.duration) for row in rows)
    return Lines(
        path=str(target),
        sha256=await asyncio.to_thread(_sha256, target),
        plain=plain,
        overlapping=any(following[0] < line[1] for line, following in pairwise(said_when)),
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _unread(name: str, why: str) -> str:
    return f"burn_subtitles: {name} cannot be read ({why}). Texts have to be UTF-8; see `framemill probe` for tracks."


def draw_lines(stream: Any, lines: Lines) -> Any:
    """The stream with its texts; its frames have the source's times."""
    style = {"force_style": _OUR_STYLE} if lines.plain else {}
    fonts = importlib.resources.files("ttf_opensans") / "ttf"
    return stream.filter("subtitles", filename=lines.path, fontsdir=str(fonts), **style)


def draw_bitmaps(pictures: Any, subtitles: Any, first: FirstFrame) -> Any:
    """The source's frames under its own pictures of texts: as wide as the frame, and their bottom on its bottom, since
    a film whose bars were cut off has the texts of the whole screen."""
    mixing = _mixing(first.pix_fmt)
    fitting = subtitles.filter("scale", w=first.width, h=-1, flags=SWS_FLAGS).filter("format", mixing.alpha)
    if first.pix_fmt != mixing.plain:
        pictures = pictures.filter("scale", flags=SWS_FLAGS).filter("format", mixing.plain)
    place = {"x": 0, "y": "main_h-overlay_h", "eof_action": "pass"}
    return graph.filter([pictures, fitting], "overlay", format=mixing.name, **place)


class Place(NamedTuple):
    """Where in a picture a stamp lies, in pixels."""

    width: int
    height: int
    x: int
    y: int


def placed(stamp: Stamp, size: tuple[int, int], best: tuple[int, int]) -> Place:
    """Where it lies in a rendition of that size; what was asked for is meant of the `best` one."""
    share = Fraction(size[1], best[1])
    wide = stamp.where.width or stamp.width
    width = max(1, round(wide * share))
    height = max(1, round(Fraction(wide * stamp.height, stamp.width) * share))
    x, y = round(stamp.where.x * share), round(stamp.where.y * share)
    return Place(
        width,
        height,
        x if stamp.where.x >= 0 else size[0] - width + x,
        y if stamp.where.y >= 0 else size[1] - height + y,
    )


def seen(where: Overlay, shown: FrameIndex) -> range:
    """The shown frames that it is seen on: from the first at or after its start up to the one at or after its end."""
    times, zero = shown.rising, shown.pts[0]

    def number(seconds: float) -> int:
        return bisect.bisect_left(times, zero + Fraction(str(seconds)) / shown.time_base)

    return range(number(where.start or 0), len(times) if where.end is None else number(where.end))


class Still(NamedTuple):
    """A stamp as one rendition has it."""

    stamp: Stamp
    place: Place
    pix_fmt: str
    """Of what it is laid over."""
    colours: tuple[tuple[str, str], ...] = ()
    """How the scaler gets the colours of what it is laid over."""

    def drawn(self, number: int = 0) -> Any:
        """Its one frame. Each has a `number` of its own: filters that are equal would be one, with one output."""
        still = graph.input(self.stamp.path, f="png_pipe")["V:0"].filter("trim", end_frame=number + 1)
        still = still.filter("setpts", "0")
        still = still.filter("scale", w=self.place.width, h=self.place.height, flags=SWS_FLAGS)
        if self.stamp.where.opacity < 1:
            still = still.filter("colorchannelmixer", aa=f"{self.stamp.where.opacity:g}")
        return still.filter("scale", **dict(self.colours), flags=SWS_FLAGS).filter(
            "format", _mixing(self.pix_fmt).alpha
        )

    def over(self, stream: Any, drawn: Any, begin: Fraction | None, end: Fraction | None) -> Any:
        """The stream under it, between those seconds of the stream."""
        mixing = _mixing(self.pix_fmt)
        if self.pix_fmt != mixing.plain:
            stream = stream.filter("scale", flags=SWS_FLAGS).filter("format", mixing.plain)
        place = {"x": self.place.x, "y": self.place.y, "format": mixing.name, **_enabled(begin, end)}
        laid = graph.filter([stream, drawn], "overlay", **place)
        if self.pix_fmt == mixing.plain:
            return laid
        return laid.filter("scale", flags=SWS_FLAGS).filter("format", self.pix_fmt)


def supply(stills: Sequence[Still]) -> Iterator[Any]:
    """The frame of each, in order. What is wanted several times is drawn once, and split."""
    pads: dict[Still, Iterator[Any]] = {}
    for number, (still, count) in enumerate(Counter(stills).items()):
        drawn = still.drawn(number)
        split = drawn.filter_multi_output("split", count) if count > 1 else None
        pads[still] = iter([drawn] if split is None else [split.stream(pad) for pad in range(count)])
    return (next(pads[still]) for still in stills)


def _enabled(begin: Fraction | None, end: Fraction | None) -> dict[str, str]:
    limits = [f"gte(t,{float(begin):.9f})"] if begin is not None else []
    limits += [f"lt(t,{float(end):.9f})"] if end is not None else []
    return {"enable": "*".join(limits)} if limits else {}


class _Mixing(NamedTuple):
    """How `overlay` mixes pictures."""

    name: str
    """What it calls that."""
    plain: str
    """The pixel format of what is below."""
    alpha: str
    """And of what is laid over it."""


def _mixing(pix_fmt: str) -> _Mixing:
    if is_rgb(pix_fmt):
        return _Mixing("gbrp", "gbrp", "gbrap")
    chroma = next((chroma for chroma in ("420", "422") if chroma in pix_fmt), "444")
    depth, end = ("p10", "p10le") if "10" in pix_fmt or "12" in pix_fmt else ("", "p")
    return _Mixing(f"yuv{chroma}{depth}", f"yuv{chroma}{end}", f"yuva{chroma}{end}")
