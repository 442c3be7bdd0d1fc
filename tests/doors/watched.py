"""Videos as a coordinator would have left them: with files that can be played, and what is known of them."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from doors.devstreamcore import Client
from front_door import FACTS, FrontDoor, laid_down

from framemill.jobs.model import Input, Job, Output
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    InputsReady,
    InputState,
    JobEvent,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.storage.workplace import growing_folder
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import load_job, save_input
from framemill.store.videos import load_video

MASTER = b"""#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="und",DEFAULT=YES,AUTOSELECT=YES,URI="sound/playlist.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",AUDIO="audio"
360p/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=450000,RESOLUTION=426x240,CODECS="avc1.64000d,mp4a.40.2",AUDIO="audio"
240p/playlist.m3u8
"""
SEGMENT = bytes(range(256)) * 16
FILES: dict[str, bytes] = {
    "master.m3u8": MASTER,
    "manifest.mpd": b'<?xml version="1.0"?>\n<MPD type="static"><Period/></MPD>',
    "360p/playlist.m3u8": b"#EXTM3U\n#EXTINF:4,\n00000.m4s\n",
    "360p/00000.m4s": SEGMENT,
    "240p/playlist.m3u8": b"#EXTM3U\n#EXTINF:4,\n00000.m4s\n",
    "240p/00000.m4s": SEGMENT,
    "360p.mp4": b"360" * 100,
    "240p.mp4": b"240" * 100,
}
RENDITIONS = [
    {"name": "360p", "width": 640, "height": 360, "maxrate": 900_000, "progressive": "360p.mp4"},
    {"name": "240p", "width": 426, "height": 240, "maxrate": 450_000, "progressive": "240p.mp4"},
]
POSTER = b"a picture"
ORIGINAL = b"film!" * 1000
TO_DELIVERY: tuple[JobEvent, ...] = (Planned(), ChunksCommitted(), Stitched())


def job_of(door: FrontDoor, video_id: str) -> tuple[Job, list[Input], list[Output]]:
    """The job that makes `vid_…`."""
    with door.database.reading() as conn:
        video = load_video(conn, video_id.removeprefix("vid_"))
        assert video is not None
        found = load_job(conn, video.job_id)
    assert found is not None
    return found


def landed(door: FrontDoor, video_id: str, body: bytes = ORIGINAL) -> None:
    """The original is here, and read."""
    job, (source, *_), _ = job_of(door, video_id)
    path = door.parts.files.blobs.path(f"fetched/{source.id}/film.mp4")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    told = {
        "state": InputState.READY,
        "blob": str(path),
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "facts": FACTS,
    }
    with door.database.writing() as conn:
        save_input(conn, source.model_copy(update=told))
    door.moved(job.id, Started(), InputsReady())


def growing(door: FrontDoor, video_id: str, *, begun: bool = False) -> None:
    """It is being encoded, and what there is can be played. `begun`: it has landed before."""
    if not begun:
        landed(door, video_id)
    job, _, (package, *_) = job_of(door, video_id)
    door.moved(job.id, Planned())
    folder = growing_folder(door.parts.files.work / job.id / "1", package.id)
    for path, body in FILES.items():
        if not path.endswith(".mp4"):
            _write(folder / path, body)


def ready(door: FrontDoor, video_id: str) -> None:
    """It is done."""
    landed(door, video_id)
    job, _, (package, poster) = job_of(door, video_id)
    _publish(door, package, FILES)
    _publish(door, poster, {"output.jpg": POSTER})
    report: dict[str, Any] = {
        "source": {"format": FACTS["format"]},
        "outputs": [{"name": package.name, "renditions": RENDITIONS}, {"name": poster.name, "renditions": []}],
    }
    door.moved(job.id, *TO_DELIVERY, Packaged(report), Delivered())


def token(key: dict[str, Any], sub: str, /, *, aud: Any = "v", seconds: float = 60, **more: Any) -> str:
    """What the owner of a signing key gives a viewer; `more`: other claims, `headers`, `algorithm`."""
    headers = {"kid": key["id"], **more.pop("headers", {})}
    algorithm = more.pop("algorithm", "RS256")
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    claims = {"sub": sub, "aud": aud, "exp": int(end.timestamp()), **more}
    pem = base64.b64decode(key["private_key"])
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, pem, algorithm, headers=headers)


def signing_key(client: Client) -> dict[str, Any]:
    """A new one, with its private half."""
    answer = client.post("/signing-keys")
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _publish(door: FrontDoor, output: Output, files: dict[str, bytes]) -> None:
    rows = [laid_down(door, output, path, body) for path, body in files.items()]
    with door.database.writing() as conn:
        save_deliveries(conn, rows)


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
