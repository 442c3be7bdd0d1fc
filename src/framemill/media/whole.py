"""Outputs that are written whole by one worker, and placed as they are: pictures, one file or several.

Several are one blob, a stored zip, whose bytes vouch for all of them.
"""

import shutil
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from framemill.errors import FfmpegFailed
from framemill.jobs.settings import OutputKind
from framemill.media import ffmpeg
from framemill.media.bundle import pack, unpack
from framemill.media.images import STORYBOARD, picture_commands, storyboard
from framemill.media.isolate import Task
from framemill.media.picking import picked, put_together
from framemill.media.pictureproof import PicturesProof, PicturesRequest
from framemill.media.stillcodecs import CODECS
from framemill.media.title import Title

#: Kinds of output that have no chunks.
WHOLE_KINDS: frozenset[OutputKind] = frozenset({"picture"})


async def write_whole(title: Title, path: Path, on_share: Callable[[float], None]) -> str:
    """Write the output as one file at `path`; what ffmpeg said of the source.

    Raises `FfmpegFailed`, also where it wrote nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.name}-") as scratch:
        folder = Path(scratch)
        commands, files = picture_commands(title, folder)
        said = ""
        for number, argv in enumerate(commands):
            begun = number / len(commands)
            total = max(1, len(title.pictured.shown.pts))

            def share(block: dict[str, str], begun: float = begun, total: int = total) -> None:
                on_share(min(1.0, begun + int(block.get("frame", 0)) / total / len(commands)))

            said += (await ffmpeg.ffmpeg(argv, on_progress=share)).stderr
        missing = [file.name for file in files if not file.is_file() or not file.stat().st_size]
        if missing:
            quoted = ffmpeg.quoted([ffmpeg.binary(), *commands[-1]])
            raise FfmpegFailed(f"ffmpeg wrote no picture {missing[0]}.", command=quoted, stderr=said)
        if title.settings.picture == STORYBOARD:
            named = folder / f"{STORYBOARD}.vtt"
            named.write_text(storyboard(title, [file.name for file in files]))
            files = (*files, named)
        if many(title):
            pack(files, path)
        else:
            files[0].replace(path)
    return said


def many(title: Title) -> bool:
    """Whether the output is several files, or one in an archive of several."""
    return title.settings.picture in {"thumbnails", STORYBOARD}


def proof_wanted(title: Title, path: Path) -> PicturesRequest:
    """What the gate reads back of what was written at `path`."""
    settings, film = title.settings, title.pictured
    shown, picture, codec = film.shown, film.pictures[0], CODECS[settings.container].codec
    width, height = picture.width, picture.height
    wanted = PicturesRequest(path=str(path), archive=many(title), codec=codec, width=width, height=height, files=1)
    if settings.picture == "animation":
        seconds = [shown.seconds(frame) - shown.seconds(0) for frame in range(len(shown.pts))]
        tick = Fraction(1, 100) if settings.container == "gif" else Fraction(1, 1000)
        return wanted.model_copy(update={"frames": len(seconds), "seconds": seconds, "tick": tick})
    frames = picked(settings, shown)
    together = put_together(settings, len(frames))
    if together is None:
        return wanted.model_copy(update={"files": len(frames)})
    width, height = together.size(width, height)
    return wanted.model_copy(update={"files": together.sheets, "width": width, "height": height})


def place_whole(title: Title, blob: Path, folder: Path, name: str) -> None:
    """Put the output's files into a folder; one alone, or an archive, under that name."""
    if title.settings.folder:
        unpack(blob, folder)
        return
    try:
        (folder / name).hardlink_to(blob)
    except OSError:  # another file system, or one without links
        shutil.copyfile(blob, folder / name)


PROVE = Task("framemill.media.pictureproof:prove", PicturesRequest, PicturesProof)
