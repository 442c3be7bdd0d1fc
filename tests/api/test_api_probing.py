"""Presets, probes, estimates, statistics and metrics."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from front_door import FACTS
from prometheus_client.parser import text_string_to_metric_families

from framemill.api.counting import HttpCounts
from framemill.jobs.metering import charge
from framemill.jobs.presets import PRESETS
from framemill.jobs.settings import OutputSettings, Rung, RunSettings
from framemill.media.estimate import estimated

Door = Any


def test_presets_are_shown(door: Door) -> None:
    every = door.get("/v1/presets").json()
    assert [preset["name"] for preset in every["data"]] == list(PRESETS)
    assert every["next_cursor"] is None
    assert door.get("/v1/presets/h264-720p").json()["settings"]["height"] == 720
    missing = door.get("/v1/presets/h246")
    assert (missing.status_code, "There is no preset 'h246'" in missing.json()["error"]["message"]) == (404, True)


def test_a_source_is_looked_into_by_the_farm(door: Door, tmp_path: Path) -> None:
    probe = door.post("/v1/probe", {"uri": "https://user:hunter2two@x.example/in.mov"})
    assert probe.status_code == 200
    assert "hunter2two" not in probe.text
    assert (probe.json()["size_bytes"], probe.json()["duration_seconds"], probe.json()["facts"]) == (5, 60.0, FACTS)
    (order,) = door.farm.probed
    assert "hunter2two" not in order.model_dump_json()  # which Ray shows to whoever looks
    assert door.parts.desk.keyring.uri(order) == "https://user:hunter2two@x.example/in.mov"
    door.farm.probe_fails = {"reason": "unreadable_source", "message": "It is no film."}
    refused = door.post("/v1/probe", {"uri": "https://x.example/in.mov"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unreadable_source")
    nothing = door.post("/v1/probe", {})
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (422, "invalid_field")


def test_an_upload_is_looked_into_where_it_lies(door: Door) -> None:
    upload = door.post("/v1/uploads", {"filename": "in.mov"}).json()
    early = door.post("/v1/probe", {"upload_id": upload["id"]})
    assert (early.status_code, early.json()["error"]["param"]) == (409, "upload_id")


def test_an_output_that_joins_inputs_takes_what_all_of_them_take(door: Door, want: Any) -> None:
    one, other = {"uri": "https://example.org/a.mov"}, {"uri": "https://example.org/b.mov"}

    outputs = [{"preset": "h264"}, {"preset": "h264", "inputs": [1]}]
    both, second = door.post("/v1/estimate", want(inputs=[one, other], outputs=outputs)).json()["outputs"]

    assert both["renditions"] == second["renditions"]
    for name in ("frames", "size_bytes", "slot_seconds", "duration_seconds"):
        assert both[name] == pytest.approx(2 * second[name], rel=0.01)


def test_a_job_is_estimated_and_nothing_is_written(door: Door, want: Any) -> None:
    estimate = door.post("/v1/estimate", want(outputs=[{"preset": "h264"}, {"preset": "hls"}])).json()
    file, package = estimate["outputs"]
    assert (file["frames"], file["renditions"]) == (1500, [{"width": 1920, "height": 1080}])
    assert [one["height"] for one in package["renditions"]] == [1080, 720, 480, 360]
    assert file["credits_milli"] == charge(OutputSettings(), 60, [(1920, 1080)])
    assert estimate["credits_milli"] == file["credits_milli"] + package["credits_milli"]
    assert estimate["wall_seconds"] == pytest.approx(estimate["slot_seconds"] / 4, abs=0.01)
    assert door.get("/v1/jobs").json()["data"] == []
    door.farm.told = {}
    assert door.post("/v1/estimate", want()).json()["wall_seconds"] is None
    bare = door.post("/v1/estimate", {"start": "held"})
    assert (bare.status_code, bare.json()["error"]["param"]) == (422, "inputs")


@pytest.mark.parametrize(
    ("settings", "run", "chunks"),
    [
        (OutputSettings(), RunSettings(), 8),
        (OutputSettings(), RunSettings(chunks=3), 3),
        (OutputSettings(), RunSettings(chunk_frames=100), 15),
        (OutputSettings(bitrate=1_000_000), RunSettings(), 1),
        (OutputSettings(container="package", ladder=(Rung(height=720, crf=23),)), RunSettings(chunks=4), 4),
        (OutputSettings(video_codec="copy", audio_codec="copy"), RunSettings(), 0),
        (OutputSettings(video_codec="none"), RunSettings(), 0),
    ],
    ids=str,
)
def test_chunks_are_reckoned_as_the_plan_will_have_them(
    settings: OutputSettings, run: RunSettings, chunks: int
) -> None:
    assert estimated(FACTS, settings, run).chunks == chunks


def test_what_a_hostile_file_says_of_itself_costs_nothing() -> None:
    video = {"codec_type": "video", "width": 10**9, "height": 2, "avg_frame_rate": "1000000/1", "r_frame_rate": "1/0"}
    facts = {"format": {"duration": "1e300"}, "streams": [video]}
    assert estimated(facts, OutputSettings(), RunSettings()).frames == 30 * 86_400 * 25
    for nothing in ({}, {"format": {"duration": "nan"}, "streams": []}, {"streams": [{"codec_type": "audio"}]}):
        assert estimated(nothing, OutputSettings(), RunSettings()).duration_seconds == 0


def test_statistics_tell_of_the_farm_only_who_may_see_it(door: Door, want: Any) -> None:
    door.submitted()
    stats = door.get("/v1/stats").json()
    assert (stats["jobs"], stats["farm"]["slots"], stats["farm"]["backlog_seconds"]) == ({"queued": 1}, 4, 1.5)
    account = door.post("/v1/accounts", {"name": "them"}).json()["id"]
    key = door.post("/v1/keys", {"name": "k", "account": account}).json()["key"]
    theirs = door.get("/v1/stats", key=key).json()
    assert (theirs["jobs"], theirs["farm"], theirs["message"]) == ({}, None, None)
    door.farm.silent = True
    assert door.get("/v1/stats").json()["message"] == "The coordinator is away."


def test_metrics_are_prometheus_and_count_requests_by_route(door: Door) -> None:
    door.farm.told = {**door.farm.told, "counters": {"chunks_encoded": 7}, "busy": 3}
    door.get("/v1/jobs/x")
    door.get("/framemill/v1/jobs/y")
    door.get("/nowhere")
    assert door.get("/metrics", key=None).status_code == 401

    text = door.get("/metrics").text

    figures = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert figures["framemill_slots_busy",] == 3
    assert figures["framemill_chunks_encoded_total",] == 7
    assert figures["framemill_up",] == 1
    assert figures["framemill_jobs", "queued"] == 0
    assert figures["framemill_http_requests_total", "/v1/jobs/{job_id}", "404", "GET"] == 2
    assert figures["framemill_http_requests_total", "(none)", "404", "GET"] == 1
    assert figures["framemill_http_request_seconds_count", "/v1/jobs/{job_id}", "GET"] == 2
    door.farm.silent = True
    silent = door.get("/metrics").text
    assert "framemill_up 0.0" in silent
    assert "framemill_slots_busy" not in silent


def test_replicas_add_up_what_they_have_counted(tmp_path: Path) -> None:
    async def scene() -> dict[Any, float]:
        one, two = HttpCounts(tmp_path), HttpCounts(tmp_path)
        one.count("GET", "/v1/jobs", 200, 0.003)
        two.count("GET", "/v1/jobs", 200, 0.3)
        two.count("POST", "/v1/jobs", 201, 0.3)
        one.write()
        two.write()
        (tmp_path / "torn.json").write_text('[[["framemill_http')
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for metric in one.collect()
            for sample in metric.samples
        }

    figures = asyncio.run(scene())
    assert figures["framemill_http_requests_total", "/v1/jobs", "200", "GET"] == 2
    assert figures["framemill_http_requests_total", "/v1/jobs", "201", "POST"] == 1
    assert figures["framemill_http_request_seconds_bucket", "/v1/jobs", "0.005", "GET"] == 1
    assert figures["framemill_http_request_seconds_sum", "/v1/jobs", "GET"] == pytest.approx(0.303)
    assert json.loads(next(tmp_path.glob("*-*.json")).read_text())
