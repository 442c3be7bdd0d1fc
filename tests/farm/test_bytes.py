"""The same bytes, whatever the fleet: one resized rendition with AAC, as MP4 and as HLS."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from framemill.media.ffmpeg import binary

#: An ffmpeg that uses only what TEST_CPUFLAGS names of the processor, and whose x264 uses no SIMD when told so.
WRAPPER = """#!{python}
import os, sys
argv = sys.argv[1:]
cpu = os.environ["TEST_CPUFLAGS"]
if "-cpuflags" in argv:
    argv[argv.index("-cpuflags") + 1] = cpu
elif argv != ["-version"]:
    argv = ["-cpuflags", cpu, *argv]
if os.environ.get("TEST_X264_ASM") == "0":
    argv = [word + ":asm=0" if word.startswith("cpu-independent=1") else word for word in argv]
os.execv({ffmpeg!r}, [{ffmpeg!r}, *argv])
"""


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ffmpeg that sees a poorer processor than there is."""
    path = tmp_path_factory.mktemp("masked") / "ffmpeg"
    path.write_text(WRAPPER.format(python=sys.executable, ffmpeg=binary()))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


#: Both outputs on a farm of their own: source, folder, slots.
BOTH = """
import sys
from pathlib import Path
from framemill.services.local import local_session
from framemill.services.requests import encode_request
source, folder, slots = sys.argv[1:]
settings = {
    "out.mp4": ("h264", {"height": "120", "chunks": "5"}),
    "package": ("hls", {"segment_seconds": "1", "ladder": '[{"height": 120, "crf": 25}]'}),
}
if __name__ == "__main__":
    with local_session(Path(folder), int(slots)) as farm:
        for name, (preset, words) in settings.items():
            row = farm.encode(encode_request(source, f"{folder}/{name}", preset, words), lambda _: None)
            assert row["state"] == "completed", row["message"]
"""


def encode_both(
    source: Path,
    folder: Path,
    slots: int,
    *,
    prefix: tuple[str, ...] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """SHA-256 of every file that one farm makes of a source."""
    folder.mkdir()
    command = [*prefix, sys.executable, "-c", BOTH, str(source), str(folder), str(slots)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    return digest(folder)


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def one_core() -> tuple[str, ...]:
    """A prefix that leaves one processor; nothing where the system has no such tool."""
    return ("taskset", "-c", "0") if shutil.which("taskset") else ()


def test_the_bytes_do_not_depend_on_slots_or_processor(
    clip: Callable[[str], Path], masked: Path, tmp_path: Path
) -> None:
    source = clip("cfr_29_97.mp4")
    mask = {"FRAMEMILL_FFMPEG": str(masked)}

    expected = encode_both(source, tmp_path / "two slots", 2)

    runs = {
        "two slots again": encode_both(source, tmp_path / "again", 2),
        "one slot on one core": encode_both(source, tmp_path / "one", 1, prefix=one_core()),
        "four slots, sse2": encode_both(source, tmp_path / "four", 4, environment=mask | {"TEST_CPUFLAGS": "sse2"}),
        "no simd at all": encode_both(
            source, tmp_path / "none", 2, environment=mask | {"TEST_CPUFLAGS": "0", "TEST_X264_ASM": "0"}
        ),
    }
    assert "out.mp4" in expected
    assert "package/master.m3u8" in expected
    assert {name: found == expected for name, found in runs.items()} == dict.fromkeys(runs, True)


def test_another_quality_gives_other_bytes(
    clip: Callable[[str], Path], encode: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The comparison can fail."""
    encode(clip("cfr_29_97.mp4"), "a/out.mp4", chunks=2)
    encode(clip("cfr_29_97.mp4"), "b/out.mp4", chunks=2, crf=24)

    assert digest(tmp_path / "a") != digest(tmp_path / "b")
