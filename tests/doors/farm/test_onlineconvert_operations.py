"""online-convert's operations, packages, pictures and further inputs through a real farm."""

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

import av
import clips
import httpx
import pytest
from doors.around import DoorFarm, Receiver, got
from doors.farm.test_onlineconvert_farm import Client
from PIL import Image
from servers.scripted import Scripted


@pytest.fixture
def client(farm: DoorFarm, http: httpx.Client) -> Client:
    return Client(http, farm.customer())


def fetched(output: dict[str, Any]) -> bytes:
    answer = got(output["uri"])
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == output["size"]
    return answer.content


def seconds(film: bytes) -> float:
    with av.open(io.BytesIO(film), "r") as container:
        stream = container.streams.video[0]
        assert stream.average_rate is not None
        return float(sum(1 for _ in container.decode(stream)) / stream.average_rate)


def made(client: Client, target: str, source: str, **options: Any) -> list[dict[str, Any]]:
    """The outputs of that operation."""
    asked = {"target": target, "category": "operation", "options": options}
    found: list[dict[str, Any]] = client.reached(client.made(asked, source=source)["id"], "completed")["output"]
    return found


def unzipped(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_parts_of_a_film_are_one_zip(client: Client, src: str) -> None:
    points = [{"start": "00:00:00.000", "end": "00:00:01.000"}, {"start": "00:00:03.500", "end": "00:00:05.000"}]
    (output,) = made(client, "cut-video", src, cut_points=points)
    assert output["content_type"] == "application/zip"
    parts = unzipped(fetched(output))
    assert [round(seconds(body), 1) for _, body in sorted(parts.items())] == [1.0, 1.5]


def test_or_several_outputs_and_beyond_a_threshold_one_zip_again(client: Client, src: str) -> None:
    several = made(client, "cut-video", src, number_of_parts=3, allow_multiple_outputs=True)
    assert [round(seconds(fetched(one)), 1) for one in several] == [2.0, 2.0, 2.0]
    (one,) = made(client, "cut-video", src, length=2, allow_multiple_outputs=True, allow_multiple_outputs_threshold=2)
    assert len(unzipped(fetched(one))) == 3


def test_the_end_of_a_film_is_left_out(client: Client, src: str) -> None:
    (output,) = made(client, "cut-video", src, end_video="00:00:02.000")
    assert round(seconds(fetched(output)), 1) == 2.0


def test_streams_are_merged_in_their_order(client: Client, src: str, short_src: str) -> None:
    inputs = [{"type": "remote", "source": one} for one in (short_src, src)]
    asked = {"target": "merge-streams", "category": "operation"}
    (output,) = client.reached(client.made(asked, input=inputs)["id"], "completed")["output"]
    assert abs(seconds(fetched(output)) - 7) < 0.2
    assert len(output["source"]["input"]) == 2


def test_a_sound_is_merged_with_the_pictures(client: Client, web: Scripted, src: str, tmp_path: Path) -> None:
    narration = tmp_path / "narration.mp3"
    clips.encode(narration, *clips.sound(4, 22_050), "-ac", "1", "-c:a", "libmp3lame")
    web.files["/narration.mp3"] = narration.read_bytes()
    inputs = [{"type": "remote", "source": one} for one in (f"{web.url}/narration.mp3", src)]
    asked = {"target": "merge-streams", "category": "operation"}
    (output,) = client.reached(client.made(asked, input=inputs)["id"], "completed")["output"]
    body = fetched(output)
    assert round(seconds(body), 1) == 6.0
    with av.open(io.BytesIO(body), "r") as container:
        (stream,) = container.streams.audio
        assert (stream.codec_context.sample_rate, stream.codec_context.channels) == (22_050, 1)


def test_a_thumbnail_is_a_picture_of_the_film(client: Client, src: str) -> None:
    (output,) = made(client, "thumbnail", src, time="00:00:01.000", size="160x90", thumbnail_target="png")
    with Image.open(io.BytesIO(fetched(output))) as picture:
        assert (picture.format, picture.size) == ("PNG", (160, 90))


def test_several_thumbnails_are_one_zip(client: Client, src: str) -> None:
    (output,) = made(client, "thumbnail", src, count=3)
    assert len(unzipped(fetched(output))) == 3


def test_what_is_compressed_is_smaller(client: Client, film: Path, src: str) -> None:
    (output,) = made(client, "compress", src, compression_level="high")
    body = fetched(output)
    assert len(body) < film.stat().st_size
    assert abs(seconds(body) - 6) < 0.2


def test_a_package_is_a_zip_or_lies_below_its_playlist(client: Client, src: str) -> None:
    (output,) = client.reached(client.made("hls", source=src)["id"], "completed")["output"]
    files = unzipped(fetched(output))
    assert any(name.endswith(".m3u8") for name in files)
    assert any(name.endswith(".ts") for name in files)

    asked = {"target": "hls", "options": {"allow_multiple_outputs": True, "width": 320, "height": 180}}
    outputs = client.reached(client.made(asked, source=src)["id"], "completed")["output"]
    playlist = next(one["uri"] for one in outputs if one["uri"].endswith(".m3u8"))
    with av.open(playlist, "r", options={"allowed_extensions": "ALL"}) as container:
        assert container.streams.video[0].width == 320
        assert sum(1 for _ in container.decode(video=0)) == 180


def test_an_input_is_sent_along_in_base64(client: Client, short_film: Path) -> None:
    said = base64.b64encode(short_film.read_bytes()).decode()
    inputs = [{"type": "base64", "source": said, "filename": "film.mov"}]
    (output,) = client.reached(client.made("mp4", input=inputs)["id"], "completed")["output"]
    assert output["filename"] == "film.mp4"
    assert round(seconds(fetched(output)), 1) == 1.0


def test_options_shape_the_film(client: Client, src: str) -> None:
    options = {
        **{"video_codec": "h265", "width": 320, "height": 180, "framerate": 15, "start": "00:00:01", "end": "00:00:03"},
        "disable_audio": True,
    }
    asked = {"target": "mp4", "category": "video", "options": options}
    (output,) = client.reached(client.made(asked, source=src)["id"], "completed")["output"]
    with av.open(io.BytesIO(fetched(output)), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width) == ("hevc", 320)
        assert stream.average_rate == 15
        assert len(container.streams) == 1
        assert sum(1 for _ in container.decode(stream)) == 30


def test_a_job_that_takes_too_long_fails(client: Client, long_src: str) -> None:
    # So large that no machine is done with it in that time.
    asked = {"target": "mp4", "options": {"width": 1920, "height": 1080}}
    job_id = client.made(asked, source=long_src, limits={"job": {"max_process_time": 2}})["id"]
    failed = client.reached(job_id, "failed")
    assert failed["errors"][0]["message"]
    assert (failed["output"], failed["spent"]) == ([], 0)


def test_an_output_is_renamed_and_found_under_both_names(client: Client, short_src: str) -> None:
    job_id = client.made("mp4", source=short_src)["id"]
    (before,) = client.reached(job_id, "completed")["output"]
    after = client.told("PATCH", f"/jobs/{job_id}/output/{before['id']}", {"filename": "our holiday"})
    assert after["filename"] == "our holiday.mp4"
    was, now = (got(one["uri"]) for one in (before, after))
    assert was.content == now.content
    assert 'filename="our holiday.mp4"' in now.headers["content-disposition"]
    assert client.ask("PATCH", f"/jobs/{job_id}/output/{before['id']}", {"filename": "../x"}).status_code == 400


def test_a_job_that_was_cancelled_tells_its_callback(client: Client, receiver: Receiver, long_src: str) -> None:
    job_id = client.made("mp4", source=long_src, callback=receiver.url, notify_status=True)["id"]
    client.reached(job_id, "processing")
    assert client.ask("DELETE", f"/jobs/{job_id}").status_code == 204
    assert receiver.wait_for(lambda one: b'"canceled"' in one.body)
