"""Pictures as outputs, each by one ffmpeg command: one frame, several, a sheet of them, or a film without sound.

Which of the shown frames they are `picking` says; the graph before them is that of chunks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from framemill.jobs.settings import OutputSettings
from framemill.media.drawing import apply
from framemill.media.encode import AS_THEY_ARE, decode_of, drawn_frames
from framemill.media.picking import frames_at, length, picked, put_together, times
from framemill.media.sheets import Span, sheet_of, storyboard_vtt
from framemill.media.soundcodecs import AUDIO_CPU_FLAGS
from framemill.media.stillcodecs import has_alpha, last_steps, still_options
from framemill.media.title import Title

_QUIET = ("-nostdin", "-v", "level+warning", "-max_error_rate", "1", "-filter_complex_threads", "1")
STORYBOARD = "storyboard"


def picture_files(settings: OutputSettings, count: int) -> tuple[str, ...]:
    """The names of an output's pictures, `count` of them. One alone is named by whoever places it."""
    if settings.picture == "storyboard":
        return tuple(f"{STORYBOARD}-{number:03d}.{settings.container}" for number in range(1, count + 1))
    if settings.picture == "thumbnails":
        return tuple(f"{number:04d}.{settings.container}" for number in range(1, count + 1))
    return (f"picture.{settings.container}",)


def picture_commands(title: Title, folder: Path) -> tuple[list[list[str]], tuple[Path, ...]]:
    """Arguments for ffmpeg, one run after the other, that write the pictures of a title, and the files they become."""
    if title.settings.picture == "animation":
        return animation_commands(title, folder)
    argv, files = still_command(title, folder)
    return [argv], files


def still_command(title: Title, folder: Path) -> tuple[list[str], tuple[Path, ...]]:
    """Arguments for ffmpeg that write the frames or sheets of a title into `folder`, and the files that they become."""
    settings, film = title.settings, title.pictured
    frames = picked(settings, film.shown)
    together = put_together(settings, len(frames))
    count = len(frames) if together is None else together.sheets
    names = picture_files(settings, count)
    stream = _finished(title, _taken(title, frames))
    if together is not None:
        stream = stream.filter(
            "tile", layout=f"{together.columns}x{together.rows}", padding=together.gap, color=_EMPTY[settings.container]
        )
    if settings.container == "gif":
        pads = stream.filter_multi_output("split", 2)
        stream = ffmpeg.filter([pads.stream(0), _palette(title, pads.stream(1))], "paletteuse", **_DITHER)
    options = {"frames:v": str(count), **AS_THEY_ARE, **still_options(settings)}
    if len(names) == 1:
        output = ffmpeg.output(stream, str(folder / names[0]), f=_single(settings), **_update(settings), **options)
    else:
        pattern = f"{_literal(folder)}/{_numbered(settings)}"
        output = ffmpeg.output(stream, pattern, f="image2", start_number="1", **options)
    return _arguments(output), tuple(folder / name for name in names)


def animation_commands(title: Title, folder: Path) -> tuple[list[list[str]], tuple[Path, ...]]:
    """Arguments for ffmpeg, one run after the other, that write a film without sound.

    A GIF takes two: its one palette is made of all frames, which would else wait in memory for it.
    """
    settings, film = title.settings, title.pictured
    (name,) = picture_files(settings, 1)
    path = folder / name
    stream = _finished(title, drawn_frames(title, 0, len(film.shown.pts)))
    if settings.container != "gif":
        options = {**AS_THEY_ARE, **still_options(settings, animated=True)}
        return [_arguments(ffmpeg.output(stream, str(path), f="webp", loop="0", **options))], (path,)
    palette = folder / "palette.png"
    made = ffmpeg.output(_palette(title, stream), str(palette), f="image2", update="1", **{"frames:v": "1"})
    used = ffmpeg.filter([stream, ffmpeg.input(str(palette))], "paletteuse", diff_mode="rectangle", **_DITHER)
    looped = ffmpeg.output(used, str(path), f="gif", loop="0", **AS_THEY_ARE, **still_options(settings))
    return [_arguments(made), _arguments(looped)], (path,)


def storyboard(title: Title, files: Sequence[str]) -> str:
    """The WebVTT of a storyboard whose sheets have these names."""
    settings, shown = title.settings, title.pictured.shown
    frames = picked(settings, shown)
    together = sheet_of(settings, len(frames))
    picture = title.pictured.pictures[0]
    begins = times(settings, length(shown))
    ends = [*begins[1:], max(length(shown), begins[-1])]
    ranks = [frames.index(frame) for frame in frames_at(settings, shown)]
    spans = [Span(*each) for each in zip(begins, ends, ranks, strict=True)]
    return storyboard_vtt(together, files, (picture.width, picture.height), spans)


_MOST_INPUTS = 32
"""Times that one process opens the source."""


def _taken(title: Title, frames: Sequence[int]) -> Any:
    """These frames: each decoded from the keyframe before it, where that is less than all between the first and last.

    A frame with itself alone has no time after it, so that only their order counts from here on.
    """
    film, span = title.pictured, frames[-1] + 1 - frames[0]
    apart = sum(decode_of(film, frame, frame + 1).decoded for frame in frames)
    if 1 < len(frames) <= _MOST_INPUTS and apart < span:
        each = [drawn_frames(title, frame, frame + 1) for frame in frames]
        return ffmpeg.filter(each, "concat", n=len(each), v=1, a=0).filter("setpts", "N")
    stream = drawn_frames(title, frames[0], frames[-1] + 1)
    if len(frames) == span:
        return stream
    return stream.filter("select", "+".join(f"eq(n,{frame - frames[0]})" for frame in frames))


def _finished(title: Title, stream: Any) -> Any:
    """The pixels that the container takes."""
    film = title.pictured
    steps = last_steps(title.settings.container, film.pictures[0].pix_fmt, still=len(film.index.pts) == 1)
    return apply(stream, steps)


_DITHER = {"dither": "sierra2_4a"}
#: Where a sheet has no picture: nothing, or the white that transparent pictures lie on.
_EMPTY = {"jpg": "white", "bmp": "white", "png": "white@0", "tiff": "white@0", "webp": "white@0", "gif": "white@0"}


def _palette(title: Title, stream: Any) -> Any:
    clear = has_alpha(title.pictured.pictures[0].pix_fmt)
    return stream.filter("palettegen", stats_mode="full", reserve_transparent=int(clear))


def _single(settings: OutputSettings) -> str:
    """ffmpeg's muxer of a lone picture."""
    return "gif" if settings.container == "gif" else "image2"


def _update(settings: OutputSettings) -> dict[str, str]:
    """The name is the file's, and no pattern."""
    return {} if settings.container == "gif" else {"update": "1"}


def _literal(folder: Path) -> str:
    return str(folder).replace("%", "%%")


def _numbered(settings: OutputSettings) -> str:
    return (
        f"{STORYBOARD}-%03d.{settings.container}" if settings.picture == "storyboard" else f"%04d.{settings.container}"
    )


def _arguments(output: Any) -> list[str]:
    argv: list[str] = output.global_args(*_QUIET, *AUDIO_CPU_FLAGS).overwrite_output().get_args()
    return argv
