"""Players for the web in a real browser, each forced: Chromium plays HLS by itself, too."""

import base64
import contextlib
import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

import framemill.dashboard

SHAKA = "shaka-player@5.2.12"
_SHAKA_SHA512 = "vEsuVDI3+oLh+yqpjXexQZlg2XMUBI0VrqatDuKWacPaxAud6Uph5uCowUPLhUgNG5XKWCpoM4l1r8qYzWH+zg=="
_SHAKA_FILE = "package/dist/shaka-player.compiled.js"
_HLS_JS = Path(framemill.dashboard.__file__).parent / "assets" / "hls.js" / "hls.min.js"

PAGE = """<!doctype html><meta charset="utf-8"><title>player</title>
<script src="/players/hls.js"></script><script src="/players/shaka.js"></script>
<video id="video" muted></video>
<script>
const video = document.getElementById("video");
const told = { errors: [], switched: [] };
const until = (target, name, seconds = 60) => new Promise((done, failed) => {
  const late = () => failed(new Error(`no ${name} in ${seconds} s at ${video.currentTime}`));
  const timer = setTimeout(late, 1000 * seconds);
  target.addEventListener(name, () => { clearTimeout(timer); done(); }, { once: true });
});
const moment = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const settled = async (condition, what) => {
  for (let tries = 0; tries < 600; tries++) { if (condition()) return; await moment(50); }
  throw new Error(`never ${what}`);
};
const players = {
  "hls.js": async (url) => {
    const hls = new Hls({ startPosition: 0, startLevel: 0, abrEwmaDefaultEstimate: 1e8, maxBufferLength: 2 });
    const words = (e) => `${e.type} ${e.details} ${e.parent} ${e.frag && e.frag.sn} ${e.reason || ""}`;
    hls.on(Hls.Events.ERROR, (_, e) => told.errors.push(words(e)));
    hls.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => told.switched.push(hls.levels[level].height));
    hls.attachMedia(video);
    hls.loadSource(url);
    await settled(() => hls.levels.length, "loaded");
    if (hls.subtitleTracks.length) { hls.subtitleTrack = 0; hls.subtitleDisplay = true; }
    return {
      heights: () => hls.levels.map((level) => level.height),
      pick: (height) => { hls.nextLevel = hls.levels.findIndex((level) => level.height === height); },
      languages: () => hls.audioTracks.map((track) => track.lang || track.name),
      speak: (number) => { hls.audioTrack = number; },
      spoken: () => hls.audioTrack,
      texts: () => hls.subtitleTracks.map((track) => track.lang),
    };
  },
  shaka: async (url) => {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(video);
    const words = (error) => `${error.code} ${JSON.stringify(error.data).slice(0, 200)}`;
    const said = (e) => told.errors.push(words(e.detail));
    player.addEventListener("error", said);
    player.configure({ abr: { enabled: false }, streaming: { preferNativeHls: false, bufferingGoal: 2 } });
    player.addEventListener("variantchanged", () => {
      const now = player.getVariantTracks().find((track) => track.active);
      if (now && now.height) told.switched.push(now.height);
    });
    await player.load(url, 0);
    if (player.getTextTracks().length) player.selectTextTrack(player.getTextTracks()[0]);
    const heights = () => [...new Set(player.getVariantTracks().map((track) => track.height))];
    const sounds = () => player.getAudioTracks();
    return {
      heights,
      pick: (height) => player.selectVariantTrack(
        player.getVariantTracks().find((track) => track.height === height), true),
      languages: () => sounds().map((track) => track.language),
      speak: (number) => player.selectAudioTrack(sounds()[number]),
      spoken: () => sounds().findIndex((track) => track.active),
      texts: () => player.getTextTracks().map((track) => track.language),
    };
  },
};
const cues = () => [...video.textTracks].flatMap((track) => [...(track.cues || [])].map(
  (cue) => [cue.startTime, cue.endTime, cue.text]));
window.watch = async (kind, url) => {
  const player = await players[kind](url);
  video.play().catch((e) => told.errors.push(String(e)));
  await settled(() => video.currentTime > 0.3, "playing");
  told.duration = video.duration;
  told.heights = player.heights();
  told.languages = player.languages();
  told.texts = player.texts();
  // Another rendition while it plays.
  const other = told.heights.find((height) => height !== video.videoHeight);
  if (other) {
    player.pick(other);
    await settled(() => video.videoHeight === other, `showing ${other}`);
  }
  if (told.languages.length > 1) {
    player.speak(1);
    await settled(() => player.spoken() === 1, "speaking");
  }
  // Forth, back, and to the end.
  for (const place of [0.8, 0.35]) {
    const seeked = until(video, "seeked");
    video.currentTime = place * told.duration;
    await seeked;
    const from = video.currentTime;
    await settled(() => video.currentTime > from + 0.3, "playing after a seek");
  }
  told.cues = cues();
  const ended = until(video, "ended");
  video.playbackRate = 4;
  await ended;
  const quality = video.getVideoPlaybackQuality();
  return { ...told, at: video.currentTime, height: video.videoHeight, frames: quality.totalVideoFrames,
           corrupted: quality.corruptedVideoFrames };
};
// From the beginning to the end of what still grows, without a hand.
window.follow = async (kind, url) => {
  await players[kind](url);
  const ended = until(video, "ended", 120);
  video.play().catch((e) => told.errors.push(String(e)));
  await settled(() => video.currentTime > 0.3, "playing");
  window.playing = true;
  await ended;
  return { ...told, at: video.currentTime, duration: video.duration };
};
window.begin = (kind, url) => {
  window.follow(kind, url).then((seen) => { window.seen = seen; }, (e) => { window.seen = { errors: [String(e)] }; });
};
</script>"""


def shaka(cache: Path) -> bytes:
    """Shaka Player, from the npm registry the first time; the test is skipped where that cannot be reached."""
    kept = cache / "shaka.js"
    if not kept.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not on the PATH: Shaka Player is fetched by it")
        ran = subprocess.run([npm, "pack", SHAKA, "--json"], cwd=cache, capture_output=True, text=True, check=False)
        if ran.returncode:
            pytest.skip(f"Shaka Player cannot be fetched: {ran.stderr[-300:]}")
        packed = (cache / json.loads(ran.stdout)[0]["filename"]).read_bytes()
        assert base64.b64encode(hashlib.sha512(packed).digest()).decode() == _SHAKA_SHA512
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            file = archive.extractfile(_SHAKA_FILE)
            assert file is not None
            kept.write_bytes(file.read())
    return kept.read_bytes()


class _Files(StaticFiles):
    """As the farm sends what grows: whoever keeps some of it asks whether it still holds; of a file in ranges nobody
    keeps anything."""

    def file_response(self, *args: Any, **named: Any) -> Response:
        answer = super().file_response(*args, **named)
        in_ranges = str(args[0]).endswith(("media.mp4", "media.ts"))
        answer.headers["Cache-Control"] = "no-store" if in_ranges else "no-cache"
        return answer


@contextlib.contextmanager
def served(folder: Path, cache: Path) -> Iterator[str]:
    """A folder over HTTP, with byte ranges, and a page that plays what is in it; the page's address."""
    players = folder / "players"
    players.mkdir()
    (players / "hls.js").write_bytes(_HLS_JS.read_bytes())
    (players / "shaka.js").write_bytes(shaka(cache))
    (players / "index.html").write_text(PAGE)
    (folder / "favicon.ico").write_bytes(b"")
    app = Starlette(routes=[Mount("/", _Files(directory=folder))])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/players/index.html"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def watched(page: Any, address: str, player: str, manifest: str) -> dict[str, Any]:
    """Play from the beginning to the end, with a switch of rendition and two seeks on the way; what was seen."""
    page.goto(address)
    page.wait_for_function("window.Hls && window.shaka")
    found: dict[str, Any] = page.evaluate("([kind, url]) => watch(kind, url)", [player, manifest])
    return found


def begun(page: Any, address: str, player: str, manifest: str) -> None:
    """Begin to play what grows; returns when it plays."""
    page.goto(address)
    page.wait_for_function("window.Hls && window.shaka")
    page.evaluate("([kind, url]) => begin(kind, url)", [player, manifest])
    page.wait_for_function("window.playing || window.seen", timeout=60_000)


def ended(page: Any) -> dict[str, Any]:
    """Wait until it is over; what was seen."""
    page.wait_for_function("window.seen", timeout=120_000)
    found: dict[str, Any] = page.evaluate("window.seen")
    return found
