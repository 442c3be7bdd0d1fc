"""What Convertrilo's words mean here, what an encode costs, and how a job is told; nothing is asked over HTTP."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from framemill.api.convertrilo.encodes import Encode, crf_for, gpu_there, output_of, settings_of
from framemill.api.convertrilo.mapping import STATUSES, Note, note_of, pct, written
from framemill.api.convertrilo.prices import cost, guessed_cost, prices_of, tariff_of
from framemill.api.convertrilo.refusals import CODES
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.stores import S3Source, opener_of, uri_of
from framemill.api.door import refuse_unfit_tariffs
from framemill.api.doors import DOORS
from framemill.api.progress import highest
from framemill.errors import InvalidSetting
from framemill.jobs.metering import charge
from framemill.jobs.model import Job, Output
from framemill.jobs.states import JobState
from framemill.services.jobs import Shown
from framemill.services.parts import outputs_of
from framemill.storage.access import S3Access
from framemill.storage.credentials import named_credentials


def encode(**more: Any) -> Encode:
    return Encode.model_validate({"codec": "h264", "resolution": "480p", "fps": 30, **more})


def made_of(asked: Encode) -> Output:
    return outputs_of("job", [output_of(asked)], [])[0]


def job(state: JobState = JobState.HELD, **more: Any) -> Job:
    note = Note(encode=written(encode()))
    return Job(account="a", door="convertrilo", created_at=datetime.now(UTC), state=state, door_data=note.data, **more)


def test_the_table_of_statuses_is_total() -> None:
    assert set(STATUSES) == set(JobState)
    assert set(STATUSES.values()) == {"created", "queued", "running", "success", "failed", "canceled"}
    assert STATUSES[JobState.COMPLETED] == "success"
    assert [state for state in JobState if STATUSES[state] == "success"] == [JobState.COMPLETED]


def test_every_code_of_the_specification_is_known() -> None:
    assert len(CODES) == len(set(CODES)) == 35


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ({}, {"bitrate_tier": "medium", "speed": "fast", "hardware": "gpu_first", "passes": 1}),
        ({"bitrateTier": "high", "preset": "slow"}, {"bitrate_tier": "high", "speed": "slow"}),
        ({"quality": "best"}, {"quality": "best", "bitrate_tier": None}),
        ({"quality": "best", "bitrateTier": "low"}, {"quality": "best", "bitrate_tier": None}),
        ({"passes": 2}, {"bitrate_tier": "medium", "passes": 2, "two_passes": True}),
        ({"passes": 2, "quality": "best"}, {"bitrate_tier": "high", "passes": 2, "quality": None}),
        ({"passes": 2, "quality": "best", "bitrateTier": "low"}, {"bitrate_tier": "low", "passes": 2}),
        ({"optimize": "vmaf", "vmafTarget": 95.0, "passes": 2}, {"crf": 23.0, "bitrate_tier": None, "passes": 1}),
        ({"vmafTarget": 95.0}, {"crf": None, "bitrate_tier": "medium"}),
        ({"policy": "gpu_only"}, {"hardware": "gpu_only"}),
        ({"fps": 24}, {"fps": "24", "fps_mode": "force", "size": "480p", "upscale": True}),
        ({"scalePolicy": "no-upscale"}, {"upscale": False}),
        ({"frameRatePolicy": "cap"}, {"fps": "30", "fps_mode": "cap"}),
        ({"frameRatePolicy": "preserve"}, {"fps": None}),
        ({"scalePolicy": "allow-upscale"}, {"upscale": True}),
        ({"audioPolicy": "strip"}, {"audio_codec": "none"}),
        ({"audioPolicy": "copy"}, {"audio_codec": "copy"}),
        ({"codec": "av1", "container": "webm", "audioPolicy": "transcode-aac"}, {"audio_codec": "opus"}),
    ],
    ids=str,
)
def test_words_are_settings(said: dict[str, Any], means: dict[str, Any]) -> None:
    settings = made_of(encode(**said)).settings
    assert {name: getattr(settings, name) for name in means} == means


def test_an_encode_is_the_same_after_it_was_kept() -> None:
    asked = encode(codec="av1", container="webm", bitrateTier="high", optimize="vmaf", vmafTarget=88.5)
    note = Note.model_validate(Note(encode=written(asked)).data)
    assert note.asked == asked
    with pytest.raises(ValidationError, match="webm takes"):
        asked.changed({"codec": "h264"})


def test_a_higher_vmaf_takes_a_finer_quantiser() -> None:
    for codec in ("h264", "h265", "av1"):
        found = [crf_for(codec, target) for target in range(1, 101)]
        assert found == sorted(found, reverse=True)
    assert crf_for("h264", 95) == 23
    assert 0 < crf_for("av1", 100) < crf_for("av1", 1) <= 63


def test_a_gpu_is_one_of_that_codec() -> None:
    farm = {"workers": [{"encoders": ["libx265", "hevc_nvenc"]}, {}]}
    assert gpu_there("h265", farm)
    assert not gpu_there("h264", farm)
    assert not gpu_there("h265", {})


def test_a_price_is_the_product_of_the_table() -> None:
    prices = prices_of({})
    asked = encode(codec="h265", resolution="1080p", preset="slow", bitrateTier="high", passes=2)
    tariff = tariff_of(asked, prices)
    assert tariff.multiplier == Fraction(7, 4) * Fraction(5, 4) * Fraction(3, 2)
    assert cost(asked, tariff, 60) == -(-2 * 2 * 1000 * 1.75 * 1.25 * 1.5 // 10) * 10
    assert cost(encode(), tariff_of(encode(), prices), 60) == 500
    assert cost(encode(), tariff_of(encode(), prices, "normal"), 60) == 750
    assert cost(encode(), tariff_of(encode(), prices, "high"), 60) == 1000
    assert guessed_cost(encode(), tariff_of(encode(), prices), prices) == 500


def test_each_resolution_is_in_its_own_class_and_the_farm_charges_the_same() -> None:
    prices = prices_of({})
    rates = {}
    for resolution in prices.resolutions:
        asked = encode(resolution=resolution)
        rates[resolution] = cost(asked, tariff_of(asked, prices), 60) / 1000
    assert rates == prices.resolutions
    asked = encode(resolution="720p")
    tariff = tariff_of(asked, prices)
    assert charge(made_of(asked).settings, 90, [(1280, 720)], tariff) == cost(asked, tariff, 90) == 1500
    assert charge(made_of(asked).settings, 90, [(640, 360)], tariff) == 750  # a smaller source is not enlarged


def test_the_operator_sets_prices_by_name() -> None:
    prices = prices_of({"codecs": {"av1": 2.0}, "unknown_minutes": 2.0, "least": 0.1})
    assert prices.codecs == {"h264": 1, "h265": 2, "av1": 2}
    asked = encode(codec="av1")
    assert guessed_cost(asked, tariff_of(asked, prices), prices) == 2000
    assert cost(asked, tariff_of(asked, prices), 1) == 100
    wrongs: list[dict[str, Any]] = [{"codec": {}}, {"codecs": {"vp9": 1.0}}, {"codecs": {"av1": -1.0}}, {"least": 0.0}]
    for wrong in wrongs:
        with pytest.raises(InvalidSetting, match=r"tariffs\.convertrilo"):
            prices_of(wrong)


def test_prices_of_an_api_that_has_none_are_refused() -> None:
    refuse_unfit_tariffs({"convertrilo": {"least": 0.5}}, DOORS)
    with pytest.raises(InvalidSetting, match="there are: convertrilo"):
        refuse_unfit_tariffs({"devstreamcore": {}}, DOORS)
    with pytest.raises(InvalidSetting, match=r"tariffs\.convertrilo\.least"):
        refuse_unfit_tariffs({"convertrilo": {"least": -1.0}}, DOORS)


def test_shares_grow_from_state_to_state_and_are_whole_per_cent() -> None:
    way = [
        *(JobState.HELD, JobState.QUEUED, JobState.INGESTING, JobState.PLANNING, JobState.ENCODING),
        *(JobState.STITCHING, JobState.PACKAGING, JobState.DELIVERING, JobState.COMPLETED),
    ]
    found = [pct(Shown(job(state), (), (), frames=0, frames_planned=10)) for state in way]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 100)
    encoding = [pct(Shown(job(JobState.ENCODING), (), (), frames=n, frames_planned=10)) for n in range(11)]
    assert encoding == sorted(encoding)
    assert encoding[-1] < found[way.index(JobState.STITCHING)]
    assert pct(Shown(job(JobState.FAILED), (), (), frames=10, frames_planned=10)) < 100


def test_a_job_that_is_planned_anew_does_not_go_back() -> None:
    one = job(JobState.ENCODING)
    assert [highest(one, done) for done in (3, 50, 2, 60)] == [3, 50, 50, 60]
    assert highest(job(JobState.ENCODING), 4) == 4


def test_buckets_of_the_operators_are_found_by_name() -> None:
    named = named_credentials(
        {
            "all": {"kind": "s3", "access_key_id": "a", "secret_access_key": "b"},
            "films": {
                "kind": "s3", "access_key_id": "a", "secret_access_key": "b",
                "allowed_buckets": ["films", "clips-*"], "accounts": ["default", "theirs"],
            },
        }
    )  # fmt: skip

    def source(bucket: str, **more: Any) -> S3Source:
        return S3Source.model_validate({"bucket": bucket, "key": "in.mp4", **more})

    assert opener_of(source("films"), named, "default") == "films"
    assert opener_of(source("clips-7"), named, "theirs") == "films"
    for said, account in ((source("others"), "default"), (source("films"), "nobody")):
        with pytest.raises(Refused) as refused:
            opener_of(said, named, account)
        assert refused.value.status == 400
    keyed = opener_of(source("films", accessKeyId="x", secretAccessKey="y", forcePathStyle=True), named, "nobody")
    assert isinstance(keyed, S3Access)
    assert keyed.path_style is True
    assert "y" not in repr(keyed).replace("path_style", "").replace("key", "")
    assert uri_of("films", "/a b?c.mp4") == "s3://films/a b?c.mp4"


def test_a_note_without_optional_parts_is_read() -> None:
    assert note_of(job()).reserved == 0
    assert settings_of(encode())["container"] == "mp4"
