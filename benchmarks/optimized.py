"""How long a film of a media server takes from its POST to `completed` at `/optimized`, beside what the original server
of optimized versions runs for it.

    python benchmarks/optimized.py --runs 8

That server is no package, so what it does stands for it: it opens the playlist to learn its length, and then has ffmpeg
copy the packets into an MP4 with its index in front. Both fetch the same 30 s from the same fake media server, in
turns: once as fast as it can, and once as from a server that encodes ten times as fast as the film plays. The figure:
ours takes at most 1.2 times as long, pair by pair. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

from benchmarks.measuring import add_common, begin, interleaved, ratios, run_alone, spread  # noqa: E402
from doors.optimized import posted  # noqa: E402
from servers.jellyfin import Jellyfin, Movie, running_jellyfin  # noqa: E402
from service_farm import Service  # noqa: E402

from framemill.media import ffmpeg  # noqa: E402

MOST = 1.2
SECONDS = 30
TOKEN, USER, AT = "a-token-of-somebody", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "/optimized"
_PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 0.05


def make_pieces(folder: Path) -> list[bytes]:
    """Thirty seconds of 720p and sound, as a transport stream in pieces of a second."""
    picture = f"testsrc2=size=1280x720:rate=25:duration={SECONDS}"
    sound = f"sine=frequency=330:sample_rate=48000:duration={SECONDS}"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    codecs = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    hls = ["-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-hls_segment_filename", f"{folder}/%03d.ts"]
    run_alone([ffmpeg.binary(), "-nostdin", "-v", "error", "-y", *inputs, *codecs, *hls, f"{folder}/film.m3u8"])
    return [path.read_bytes() for path in sorted(folder.glob("*.ts"))]


class Sides:
    """Both ways to the same film."""

    def __init__(self, server: Jellyfin, farm: Service, pieces: list[bytes], piece_seconds: float) -> None:
        self._server, self._farm = server, farm
        self._pieces, self._piece_seconds = pieces, piece_seconds

    def _film(self) -> tuple[str, str]:
        """A film that nobody has asked for, and the URL of its playlist."""
        name = uuid.uuid4().hex
        # What is asked for is a remux: the original cannot be had.
        self._server.movies[name] = Movie(pieces=self._pieces, piece_seconds=self._piece_seconds, original_status=403)
        url = str(posted(name, TOKEN)["url"])
        return name, self._server.url + url[url.index("/videos") :].replace("a-session", name)

    def ours(self, _run: int) -> float:
        """From the POST to `completed`, as a client sees it that asks all the time."""
        name, _ = self._film()
        body = posted(name, TOKEN, seconds=float(SECONDS))
        with httpx.Client(base_url=self._farm.url + AT, headers={"Authorization": TOKEN}, trust_env=False) as client:
            told: dict[str, Any] = {}
            began = time.perf_counter()
            job = client.post("/optimize-version", json=body).raise_for_status().json()["id"]
            while time.perf_counter() - began < _PATIENCE_SECONDS:
                told = client.get(f"/job-status/{job}").raise_for_status().json()
                if told["status"] in {"completed", "failed"}:
                    break
                time.sleep(_LOOK_SECONDS)
            taken = time.perf_counter() - began
            if told.get("status") != "completed":
                raise SystemExit(f"{told.get('status')}: {told.get('error')}")
            client.delete(f"/cancel-job/{job}")
        return taken

    def theirs(self, run: int) -> float:
        """The two processes that it starts one after the other."""
        _, url = self._film()
        out = self._farm.folder / f"plain-{run}.mp4"
        began = time.perf_counter()
        # As ffprobe opens it, which our package of ffmpeg does not bring.
        run_alone([ffmpeg.binary(), "-nostdin", "-v", "error", "-i", url, "-t", "0", "-f", "null", "-"])
        copy = ["-c", "copy", "-movflags", "+faststart", "-f", "mp4", str(out)]
        run_alone([ffmpeg.binary(), "-nostdin", "-v", "error", "-y", "-i", url, *copy])
        taken = time.perf_counter() - began
        out.unlink()
        return taken


def measured(sides: Sides, runs: int) -> tuple[list[float], list[float]]:
    """Both in turns, after one of ours that warms the farm."""
    sides.ours(-1)
    return interleaved(runs, sides.ours, sides.theirs)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_common(parser)
    parser.add_argument("--runs", type=int, default=8)
    args = parser.parse_args()
    console, _ = begin(args.cores, 100)
    table = Table("pieces", "ours", "as the original", "ratio", title=f"{SECONDS} s by HLS, {args.runs} pairs")
    good = True
    with tempfile.TemporaryDirectory() as name, running_jellyfin() as server:
        folder = Path(name)
        (folder / "pieces").mkdir()
        pieces = make_pieces(folder / "pieces")
        server.users[TOKEN] = USER
        farm = Service(folder / "farm", DOORS__OPTIMIZED__JELLYFIN_URL=server.url, ALLOWED_NETWORKS="127.0.0.0/8")
        try:
            farm.up()
            for piece_seconds in (0.0, 0.1):
                ours, theirs = measured(Sides(server, farm, pieces, piece_seconds), args.runs)
                apart = ratios(ours, theirs)
                good = good and apart.median <= MOST
                table.add_row(f"{piece_seconds:g} s each", spread(ours).show(), spread(theirs).show(), apart.show())
        finally:
            farm.close()
            farm.down("--now")
    console.print(table)
    Console(stderr=True).print("" if good else f"ours takes more than {MOST} times as long")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
