"""What the doctor makes of the facts."""

from typing import Any

import pytest

from framemill.farm.slots import FARM_BYTES, SLOT_BYTES, slots_for
from framemill.media.capabilities import Tried
from framemill.media.options import ENCODERS
from framemill.media.soundcodecs import AUDIO_ENCODERS
from framemill.services.doctoring import Facts, judge

GB = 1 << 30
NEEDED = [*(encoder.name for encoder in ENCODERS.values()), *(name for name, _ in AUDIO_ENCODERS.values())]
HEALTHY = Facts(
    framemill="1", python="3.11", system="Linux", ffmpeg="9", ffmpeg_path="/ffmpeg", exact=True,
    encoders=tuple(Tried(encoder=name, codec=name, encodes=True, decodes=True) for name in NEEDED),
    processors=4, memory_bytes=16 * GB, available_bytes=12 * GB, graphics=(), ray="2.60", ray_seconds=3.0,
    folder="/films", disk_free_bytes=100 * GB, disk_writable=True, open_files=65536,
)  # fmt: skip
NVENC = Tried(encoder="h264_nvenc", codec="h264", encodes=False, decodes=False, said="No capable devices found")


def test_nothing_is_wrong_with_a_healthy_machine() -> None:
    assert judge(HEALTHY) == []


@pytest.mark.parametrize(
    ("changes", "grave", "what", "then"),
    [
        ({"exact": False}, True, "too old", "FRAMEMILL_FFMPEG"),
        ({"ray_seconds": None, "ray_said": "no room"}, True, "do not start: no room", "doctor -v"),
        ({"disk_writable": False}, True, "Nothing can be written to /films", "Choose another folder"),
        ({"disk_free_bytes": GB}, False, "1.0 GiB free", "Free some room"),
        ({"available_bytes": 2 * GB}, False, "memory for 2 of 4", "fewer slots"),
        ({"open_files": 256}, False, "Only 256 files", "ulimit"),
        ({"graphics": ("/dev/nvidia0",), "encoders": (*HEALTHY.encoders, NVENC)}, False, "NVIDIA", "no encoder"),
    ],
)
def test_each_fault_says_what_to_do_next(changes: dict[str, Any], grave: bool, what: str, then: str) -> None:
    (problem,) = judge(HEALTHY.model_copy(update=changes))
    assert (problem.grave, what in problem.what, then in problem.next) == (grave, True, True), problem


@pytest.mark.parametrize("name", NEEDED)
def test_an_encoder_of_a_preset_that_does_not_work_is_grave(name: str) -> None:
    broken = Tried(encoder=name, codec=name, encodes=False, decodes=False, said="Unknown encoder")
    encoders = tuple(broken if tried.encoder == name else tried for tried in HEALTHY.encoders)
    (problem,) = judge(HEALTHY.model_copy(update={"encoders": encoders}))
    assert problem.grave
    assert f"{name}: Unknown encoder" in problem.what


def test_graphics_that_encode_are_no_problem() -> None:
    works = NVENC.model_copy(update={"encodes": True, "decodes": True})
    assert (
        judge(HEALTHY.model_copy(update={"graphics": ("/dev/nvidia0",), "encoders": (*HEALTHY.encoders, works)})) == []
    )


def test_the_gravest_comes_first() -> None:
    found = judge(HEALTHY.model_copy(update={"disk_free_bytes": GB, "ray_seconds": None}))
    assert [problem.grave for problem in found] == [True, False]


@pytest.mark.parametrize(
    ("cpus", "slots_of_memory", "slots"), [(4, 8, 4), (4, 3, 3), (4, 0, 1), (1, 8, 1), (64, 10, 10)]
)
def test_a_slot_takes_a_processor_and_its_memory(cpus: int, slots_of_memory: int, slots: int) -> None:
    assert slots_for(cpus, FARM_BYTES + slots_of_memory * SLOT_BYTES) == slots


def test_a_machine_with_next_to_no_memory_still_has_one() -> None:
    assert slots_for(8, 100 << 20) == 1
