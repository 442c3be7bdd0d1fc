"""Commands that do again by hand what the farm did."""

import shlex
from datetime import UTC, datetime

import pytest

from framemill.errors import NotFound
from framemill.jobs.model import Input, Job, Output
from framemill.jobs.presets import PRESETS
from framemill.jobs.settings import Overlay, RunSettings
from framemill.services.reproducing import chunk_command, job_command
from framemill.services.requests import encode_request
from framemill.storage.local import LocalBlobs

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


def command(
    uri: str, preset: str, changes: dict[str, object], run: RunSettings | None = None, **more: str
) -> list[str]:
    settings = PRESETS[preset].output.model_copy(update=changes)
    job = Job(account="a", door="native", created_at=NOON, run=run or RunSettings())
    source = Input.model_validate({"job_id": job.id, "uri": uri, **more})
    name = "film" if settings.container == "package" else f"film.{settings.container}"
    return shlex.split(job_command(job, [source], Output(job_id=job.id, name=name, preset=preset, settings=settings)))


def test_it_names_what_differs_from_the_preset() -> None:
    told = command("/films/a b.mov", "h264-720p", {"crf": 19.5, "segment_seconds": 6}, RunSettings(chunks=7))
    assert told[:7] == ["framemill", "encode", "/films/a b.mov", "-o", "film.mp4", "--preset", "h264-720p"]
    said = dict(pair.split("=", 1) for pair in told[8::2])
    assert said == {"crf": "19.5", "segment_seconds": "6", "chunks": "7"}


def test_what_it_says_makes_the_same_settings() -> None:
    logo = Overlay(uri="/logo.png", x=-20)
    changes: dict[str, object] = {"crf": 19.0, "audio_bitrate": 96000, "overlays": (logo,), "upscale": True}
    told = command("https://films.example/in.mov", "h265", changes)
    said = dict(pair.split("=", 1) for pair in told[8::2])
    request = encode_request(told[2], "/film.mp4", told[6], said, source_here=False, destination_here=False)
    assert request.output == PRESETS["h265"].output.model_copy(update=changes)


def test_a_package_is_a_folder_and_an_upload_goes_by_its_name() -> None:
    told = command("upload:0190c0de", "hls", {}, upload_id="0190c0de-0000-7000-8000-000000000000", filename="in.mov")
    assert told == ["framemill", "encode", "in.mov", "-o", "film/", "--preset", "hls"]


def test_secrets_of_a_source_are_not_told() -> None:
    assert "s3cret" not in " ".join(command("https://u:s3cret@films.example/in.mov?token=s3cret", "h264", {}))


def test_inputs_that_are_joined_follow_each_other() -> None:
    job = Job(account="a", door="native", created_at=NOON)
    inputs = [Input(job_id=job.id, uri=f"/films/{name}.mov") for name in "abc"]
    ids = [source.id for source in inputs]
    output = Output(job_id=job.id, name="film.mp4", input_ids=(ids[2], ids[0]))

    assert job_command(job, inputs, output) == "framemill encode /films/c.mov -o film.mp4 --join /films/a.mov"
    clipped = [one.model_copy(update={"start": 1.0}) for one in inputs]
    assert job_command(job, clipped, output) == ""
    alone = output.model_copy(update={"input_ids": (ids[0],)})
    assert job_command(job, clipped, alone).endswith("--set start=1.0")


def test_the_command_of_a_chunk_is_gone_with_its_plan(tmp_path_factory: pytest.TempPathFactory) -> None:
    job = Job(account="a", door="native", created_at=NOON)
    output = Output(job_id=job.id, name="a.mp4")
    with pytest.raises(NotFound, match="framemill plan"):
        chunk_command(LocalBlobs(tmp_path_factory.mktemp("blobs")), job, output, 0, 0)
