"""The same bytes, whatever the fleet: every encoder, with the sound and in the containers that matter."""

import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import pytest

from framemill.media.ffmpeg import binary

Outputs: TypeAlias = Mapping[str, tuple[str, Mapping[str, str]]]

_LADDER = [{"height": 120, "crf": 30}, {"height": 72, "crf": 33}]
_PACKAGE = {"segment_seconds": "1", "ladder": json.dumps(_LADDER)}
#: Name, preset and settings of what is made. Every video encoder, with constant quality and two with a bit rate in two
#: passes, whose sums are in floating point; AAC and Opus; MP4, WebM, MKV; HLS and DASH over the same segments.
OUTPUTS: Outputs = {
    "h264-aac.mp4": ("h264", {"height": "120", "chunks": "4"}),
    "h265-aac.mp4": ("h265", {"height": "120", "chunks": "3", "encoder_preset": "fast"}),
    "av1-opus.mp4": ("av1", {"height": "120", "chunks": "3", "audio_codec": "opus"}),
    "vp9-opus.webm": ("vp9", {"height": "120", "chunks": "3"}),
    "h264-opus-bitrate.mkv": ("h264", {"height": "120", "chunks": "3", "audio_codec": "opus", "bitrate": "200000"}),
    "vp9-opus-bitrate.webm": ("vp9", {"height": "120", "chunks": "3", "bitrate": "150000"}),
    "h264-aac-package": ("hls", _PACKAGE),
    "h265-aac-package": ("hls", {**_PACKAGE, "video_codec": "h265", "encoder_preset": "veryfast"}),
    "av1-aac-package": ("hls", {**_PACKAGE, "video_codec": "av1", "encoder_preset": "10"}),
}

#: An ffmpeg that uses only some of the processor; its encoders, which look for themselves, are told by parameters of
#: their own, and its libraries by the environment.
WRAPPER = """#!{python}
import os, sys
argv = sys.argv[1:]
if "-cpuflags" in argv:
    argv[argv.index("-cpuflags") + 1] = {cpuflags!r}
elif argv != ["-version"]:
    argv = ["-cpuflags", {cpuflags!r}, *argv]
for option, key in {keys!r}.items():
    for place in [place for place, word in enumerate(argv) if word.partition(":")[0] == option]:
        argv[place + 1] += ":" + key
os.environ |= {variables!r}
os.execv({ffmpeg!r}, [{ffmpeg!r}, *argv])
"""
SSE2 = {"cpuflags": "sse2", "keys": {}, "variables": {}}
#: libvpx has a variable; the C library has several versions of `exp`, `pow` and the like.
NO_SIMD = {
    "cpuflags": "0",
    "keys": {"-x264-params": "asm=0", "-x265-params": "asm=0", "-svtav1-params": "asm=c"},
    "variables": {"VPX_SIMD_CAPS": "0", "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4,-SSE4_2"},
}
#: The same ffmpeg on another processor, which is emulated.
EMULATED = """#!/bin/sh
exec {qemu} -cpu {cpu} {ffmpeg} "$@"
"""


def script(path: Path, text: str) -> dict[str, str]:
    """The environment in which that program is the ffmpeg."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"FRAMEMILL_FFMPEG": str(path)}


def masked(path: Path, mask: Mapping[str, Any]) -> dict[str, str]:
    """The same with an ffmpeg that sees a poorer processor than there is."""
    return script(path, WRAPPER.format(python=sys.executable, ffmpeg=binary(), **mask))


#: All outputs on a farm of their own: source, folder, slots, outputs.
ALL = """
import json, sys
from pathlib import Path
from framemill.services.local import local_session
from framemill.services.requests import encode_request
source, folder, slots, outputs = sys.argv[1:]
if __name__ == "__main__":
    with local_session(Path(folder), int(slots)) as farm:
        for name, (preset, words) in json.loads(outputs).items():
            row = farm.encode(encode_request(source, f"{folder}/{name}", preset, words), lambda _: None)
            assert row["state"] == "completed", (name, row["message"])
"""


def encode_all(
    source: Path,
    folder: Path,
    slots: int,
    outputs: Outputs = OUTPUTS,
    *,
    prefix: tuple[str, ...] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """SHA-256 of every file that one farm makes of a source."""
    folder.mkdir()
    command = [*prefix, sys.executable, "-c", ALL, str(source), str(folder), str(slots), json.dumps(outputs)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    return digest(folder)


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def one_core() -> tuple[str, ...]:
    """A prefix that leaves one processor; nothing where the system has no such tool."""
    return ("taskset", "-c", "0") if shutil.which("taskset") else ()


def differing(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """The outputs with a file that is another one, or is not there."""
    changed = {path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path)}
    return sorted({path.partition("/")[0] for path in changed})


@pytest.mark.timeout(1200)
def test_the_bytes_do_not_depend_on_slots_or_processor(clip: Callable[[str], Path], tmp_path: Path) -> None:
    source = clip("cfr_29_97.mp4")
    with ThreadPoolExecutor(2) as pool:  # while one farm starts, another one encodes
        two = pool.submit(encode_all, source, tmp_path / "two", 2)
        others = {
            "one slot on one core": pool.submit(encode_all, source, tmp_path / "one", 1, prefix=one_core()),
            "five slots, sse2": pool.submit(
                encode_all, source, tmp_path / "five", 5, environment=masked(tmp_path / "sse2", SSE2)
            ),
            "two slots, no simd at all": pool.submit(
                encode_all, source, tmp_path / "none", 2, environment=masked(tmp_path / "simd", NO_SIMD)
            ),
        }

    expected, runs = two.result(), {name: run.result() for name, run in others.items()}
    assert {path.partition("/")[0] for path in expected} == set(OUTPUTS)
    assert {"h264-aac-package/master.m3u8", "av1-aac-package/manifest.mpd"} <= set(expected)
    assert {name: differing(found, expected) for name, found in runs.items()} == {name: [] for name in runs}


@pytest.mark.timeout(1200)
def test_the_bytes_do_not_depend_on_what_an_emulated_processor_can_do(
    clip: Callable[[str], Path], tmp_path: Path
) -> None:
    """Libraries that ask the processor itself, such as libopus, cannot be told by words."""
    qemu = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if qemu is None or platform.machine() not in {"x86_64", "AMD64"}:
        pytest.skip("needs qemu-x86_64 on x86-64 (Debian: qemu-user)")
    source = clip("cfr_29_97.mp4")
    cpus = {
        cpu: script(tmp_path / f"ffmpeg-{cpu}", EMULATED.format(qemu=qemu, cpu=cpu, ffmpeg=binary()))
        for cpu in ("max", "Nehalem")
    }

    outputs = {name: OUTPUTS[name] for name in ("h264-aac.mp4", "h265-aac.mp4", "av1-opus.mp4", "vp9-opus.webm")}

    newer, older = (encode_all(source, tmp_path / cpu, 2, outputs, environment=one) for cpu, one in cpus.items())

    assert differing(newer, older) == []


def test_another_quality_gives_other_bytes(
    clip: Callable[[str], Path], encode: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The comparison can fail."""
    encode(clip("cfr_29_97.mp4"), "a/out.mp4", chunks=2)
    encode(clip("cfr_29_97.mp4"), "b/out.mp4", chunks=2, crf=24)

    assert digest(tmp_path / "a") != digest(tmp_path / "b")
