"""A package on a farm that stays: played while it is encoded, the same bytes in the end, nothing left behind."""

from pathlib import Path
from typing import Any

import clips
import m3u8
import pytest
from service_farm import Service, until

from framemill.config import DataFolder
from framemill.errors import NotFound
from framemill.services.playing import playable_file

pytestmark = [pytest.mark.farm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be caught in the middle."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    noise = "testsrc2=size=640x360:rate=25:duration=30,noise=alls=20:allf=t"
    clips.ffmpeg("-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", "sine=duration=30", "-c:v", "libx264",
                 "-preset", "ultrafast", "-g", "50", "-c:a", "aac", str(path))  # fmt: skip
    return path


def package_of(film: Path, **more: Any) -> dict[str, Any]:
    settings = {"segment_seconds": 2, "ladder": [{"height": 360, "crf": 28}, {"height": 180, "crf": 30}]}
    return {
        "inputs": [{"uri": str(film)}],
        "outputs": [{"preset": "hls", "settings": settings}],
        "run": {"reuse": "off"},
        **more,
    }


class Player:
    """Fetches what an output has, as the byte routes find it."""

    def __init__(self, service: Service, job: Any) -> None:
        self._service, self._job = service, job
        self._output = service.client.outputs(job.id).data[0].id

    @property
    def told(self) -> list[dict[str, Any]]:
        events = self._service.client.events(self._job.id)
        return [event.data for event in events if event.kind == "playable"]

    def fetch(self, path: str) -> tuple[bytes, bool]:
        found = playable_file(DataFolder(self._service.folder).work, self._job.id, 1, self._output, path)
        return found.path.read_bytes(), found.growing

    def everything(self) -> dict[str, bytes]:
        """Every init segment and segment that the playlists name by now."""
        master = m3u8.loads(self.fetch("master.m3u8")[0].decode())
        found = {}
        for playlist in [*master.playlists, *master.media]:
            folder = str(playlist.uri).partition("/")[0]
            media = m3u8.loads(self.fetch(str(playlist.uri))[0].decode())
            for name in ["init.mp4", *(segment.uri for segment in media.segments)]:
                found[f"{folder}/{name}"] = self.fetch(f"{folder}/{name}")[0]
        return found


def test_a_package_is_played_while_it_is_encoded(service: Service, film: Path) -> None:
    job = service.client.submit(package_of(film, start="held"))
    player = Player(service, job)
    until(lambda: service.client.inputs(job.id).data[0].state == "ready", "the reading of the source")
    with pytest.raises(NotFound):
        player.fetch("master.m3u8")
    service.client.start(job.id)
    until(lambda: len(player.told) > 0, "the first segment")
    text, growing = player.fetch("360p/playlist.m3u8")
    early = player.everything()
    assert service.client.get(job.id).state == "encoding"
    assert growing
    assert b"EVENT" in text
    assert b"ENDLIST" not in text
    assert {"360p/00000.m4s", "180p/00000.m4s", "audio/00000.m4s"} < set(early)

    ended = service.client.wait(job.id)

    assert ended.state == "completed"
    text, growing = player.fetch("360p/playlist.m3u8")
    assert not growing
    assert b"ENDLIST" in text
    late = player.everything()
    assert len(late) == 3 * 16
    assert {name: late[name] == data for name, data in early.items()} == dict.fromkeys(early, True)
    assert len(player.told) == 1
    assert not list(DataFolder(service.folder).work.rglob(".*"))
    service.client.remove(job.id)


def test_nothing_is_left_of_a_package_that_is_cancelled(service: Service, film: Path) -> None:
    job = service.client.submit(package_of(film))
    player = Player(service, job)
    until(lambda: len(player.told) > 0, "the first segment")
    service.client.cancel(job.id)

    assert service.client.wait(job.id).state == "cancelled"
    assert not list(DataFolder(service.folder).work.glob(f"{job.id}*"))
    assert not list(DataFolder(service.folder).blobs.glob("growing/.*"))
