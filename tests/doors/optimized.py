"""What the app sends and what it knows, for the tests of its door."""

import dataclasses
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from doors.conftest import AskedDoor
from front_door import laid_down
from servers.jellyfin import Jellyfin

from framemill.api.app import create_app
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    InputsReady,
    JobState,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import load_job

PUBLIC = "http://jf.public.example:8096"
"""Where the app reaches the media server."""
TICKS = 10_000_000
ITEM = "0123456789abcdef0123456789abcdef"
NOBODY = str(uuid.UUID(int=7))


def item(item_id: str, seconds: float = 6.0, *, size: int = 1_000_000, **more: Any) -> dict[str, Any]:
    """What the app posts along: the film as the media server describes it."""
    tracks = [
        {"Index": 0, "Type": "Video", "Codec": "h264", "Width": 640, "Height": 360},
        {"Index": 1, "Type": "Audio", "Codec": "aac", "Channels": 2},
    ]
    version = {"Id": item_id, "Size": size, "RunTimeTicks": round(seconds * TICKS), "MediaStreams": tracks}
    return {
        "Id": item_id, "Name": "A film", "Type": "Movie", "ProductionYear": 1994, "UserData": {"Played": False},
        "RunTimeTicks": round(seconds * TICKS), "MediaSources": [version], **more,
    }  # fmt: skip


def query(token: str, item_id: str, session: str = "a-session") -> str:
    """Of the media server's own URL for a client that cannot play the film as it is."""
    return (
        f"DeviceId=d1&MediaSourceId={item_id}&VideoCodec=h264&AudioCodec=aac,mp3&AudioStreamIndex=1&VideoBitrate=800000"
        f"&AudioBitrate=128000&PlaySessionId={session}&api_key={token}&TranscodingMaxAudioChannels=2&SegmentContainer=ts"
        "&MinSegments=1&BreakOnNonKeyFrames=True&TranscodeReasons=ContainerBitrateExceedsLimit"
    )


def posted(item_id: str, token: str, kind: str = "master.m3u8", *, device: str = "D1", **more: Any) -> dict[str, Any]:
    """What the app posts; `kind`: the end of the URL's path, `stream` as the later one has it."""
    known = more.pop("item", None) or item(item_id, more.pop("seconds", 6.0))
    return {
        "url": f"{PUBLIC}/videos/{item_id}/{kind}?{query(token, item_id)}",
        "fileExtension": "ts",
        "deviceId": device,
        "itemId": item_id,
        "item": known,
        **more,
    }


def shown(token: str) -> Mapping[str, str]:
    """Its header, as the app sends it."""
    return {"Authorization": token}


class App:
    """The app of a user, on a device, at a door without a farm."""

    def __init__(self, door: AskedDoor, token: str, device: str = "D1") -> None:
        self.door, self.token, self.device = door, token, device

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {**shown(self.token), **more.pop("headers", {})}
        return self.door.ask(method, f"/optimized{path}", body, key=None, headers=headers, **more)

    def post(self, item_id: str = ITEM, kind: str = "master.m3u8", **more: Any) -> str:
        """Have a film made; its id."""
        answer = self.ask("POST", "/optimize-version", posted(item_id, self.token, kind, device=self.device, **more))
        assert answer.status_code == 201, answer.text
        assert list(answer.json()) == ["id"]
        return str(answer.json()["id"])

    def poll(self, device: str | None = None) -> list[dict[str, Any]]:
        """What it asks every two seconds."""
        answer = self.ask("GET", f"/all-jobs?deviceId={device or self.device}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def statuses(self) -> dict[str, str]:
        """Of what it polls, by id."""
        return {one["id"]: one["status"] for one in self.poll()}

    def cancel(self, job_id: str) -> str:
        answer = self.ask("DELETE", f"/cancel-job/{job_id}")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["message"])


def set_up(door: AskedDoor, jellyfin: Jellyfin | None, **options: Any) -> None:
    """As an operator sets the door up; `options`: as they stand in the environment, or in the file."""
    url = {} if jellyfin is None else {"jellyfin_url": jellyfin.url}
    door.parts = dataclasses.replace(door.parts, doors={"optimized": {**url, **options}})
    door.app = create_app(door.parts)
    door.__dict__.pop("whole", None)  # worked out of what was there before


def done(door: AskedDoor, job_id: str, body: bytes = b"a film") -> None:
    """As if the farm had made it."""
    with door.database.reading() as conn:
        found = load_job(conn, job_id)
    assert found is not None
    output = found[2][0]
    row = laid_down(door, output, f"output{Path(output.name).suffix}", body)
    with door.database.writing() as conn:
        save_deliveries(conn, [row])
    report = {
        "outputs": [{"name": output.name, "files": [{"path": row.path, "size": len(body), "sha256": row.sha256}]}]
    }
    if found[0].state is JobState.QUEUED:
        door.moved(job_id, Started())
    door.moved(job_id, InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged(report), Delivered())
