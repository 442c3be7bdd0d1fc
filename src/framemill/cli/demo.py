"""`framemill demo`: the main job on a clip that it makes itself, so that nothing is needed but this command."""

import asyncio
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from framemill.cli.encode import Bar, terminated_as_interrupted
from framemill.farm.slots import usual_slots
from framemill.media import ffmpeg
from framemill.services.local import local_session
from framemill.services.requests import encode_request

_SECONDS = 20


def demo_command(folder: str, *, verbose: bool) -> int:
    """Make a clip, encode it into MP4 and HLS, and say what was made; the exit code."""
    console = Console(highlight=False)
    place = Path(folder).absolute()
    place.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with terminated_as_interrupted(), Bar(show=True) as bar:
        bar.update({"state": "making a clip"})
        clip = asyncio.run(make_clip(place / "clip.mkv"))
        bar.update({"state": "starting the farm"})
        rows = {}
        with local_session(place, usual_slots(), verbose=verbose) as farm:
            for name in ("clip.mp4", "clip-hls"):
                rows[name] = farm.encode(encode_request(str(clip), str(place / name), _PRESETS[name]), bar.update)
    for name, row in rows.items():
        if row["state"] != "completed":
            console.print(f"{name}: {row['message']}", markup=False)
            return 1
    _tell(console, place, clip, rows, time.monotonic() - began)
    return 0


_PRESETS = {"clip.mp4": "h264", "clip-hls": "hls"}


async def make_clip(path: Path) -> Path:
    """A film with sound whose pictures show their own time and frame number; no font is needed."""
    await ffmpeg.ffmpeg([
        "-nostdin", "-v", "error", "-y",
        "-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=30000/1001:duration={_SECONDS}",
        "-f", "lavfi", "-i", f"sine=frequency=440:beep_factor=4:sample_rate=48000:duration={_SECONDS}",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "flac",
        "-fflags", "+bitexact", str(path),
    ])  # fmt: skip
    return path


def _tell(console: Console, place: Path, clip: Path, rows: dict[str, dict[str, Any]], seconds: float) -> None:
    reports = [row["report"] for row in rows.values()]
    proof = reports[0]["outputs"][0]["proof"]
    chunks = len(reports[0]["plan"]["chunks"])
    renditions = ", ".join(picture["name"] for picture in reports[1]["plan"]["renditions"])
    lines = [
        f"Done in {seconds:.0f} s on {usual_slots()} slots. Everything is in {place}:",
        f"  {clip.name:<24} the clip this demo made: {_SECONDS} s of 720p with sound, every picture counts",
        f"  {'clip.mp4':<24} H.264 and AAC, encoded in {chunks} chunks side by side and joined without a seam",
        f"  {'clip-hls/master.m3u8':<24} the same for players on the web: {renditions}",
        f"Verified before it was published: {proof['frames']} frames went in and came out, each at its own time.",
        "To watch it: open clip.mp4 in any player or browser,",
        f"or run   python3 -m http.server -d {place} 8001   and open http://localhost:8001/clip-hls/master.m3u8",
        "in a player that knows HLS (Safari, VLC, mpv).",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
