"""Whoever takes over a process that reads media has taken over nothing else."""

import asyncio
import json
import os
import resource
import signal
import sys
from pathlib import Path

import psutil
import pytest

from framemill.config import child_environment, environment
from framemill.errors import FfmpegFailed
from framemill.media import ffmpeg, process
from framemill.media.confine import unconfined
from framemill.media.forkserver import ForkServer

linux = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and Landlock are Linux's")
confined = pytest.mark.skipif(bool(unconfined()), reason=f"needs seccomp and Landlock: {unconfined()}")


def answer(code: str) -> str:
    """What such a child prints."""
    finished = asyncio.run(process.run([sys.executable, "-c", code]))
    assert finished.status == 0, finished.stderr
    return finished.stdout.decode().strip()


SECRETS = {
    "FRAMEMILL_ADMIN_KEY": "marked-admin-key",
    "FRAMEMILL_SECRET_KEY": "marked-secret-key",
    "FRAMEMILL_DATABASE_URL": "postgresql://user:marked-password@db/name",
    "FRAMEMILL_CREDENTIALS__CORP__SECRET_ACCESS_KEY": "marked-credentials",
    "AWS_SECRET_ACCESS_KEY": "marked-aws",
    "GOOGLE_APPLICATION_CREDENTIALS": "/marked/google.json",
    "AZURE_STORAGE_KEY": "marked-azure",
    "RAY_AUTH_TOKEN": "marked-ray-token",
    "SSH_AUTH_SOCK": "/marked/agent",
    "SOME_COMPANYS_TOKEN": "marked-other",
}


def test_a_child_finds_no_secret_in_its_environment() -> None:
    """A decoder with a hole reads its own environment, and hopes for the farm's keys."""
    with environment(SECRETS):
        told = json.loads(answer("import json, os; print(json.dumps(dict(os.environ)))"))

    assert "marked" not in json.dumps(told)
    assert set(told) - {"LC_CTYPE"} <= set(child_environment())  # which Python sets itself, in the C locale
    assert "PATH" in told


def look_around() -> int:
    """In a child of a fork server, as those are that read media by libav: the number of a process of the farm comes in,
    what could be done goes out."""
    victim = int(os.read(0, 100))
    found = {"environment": dict(os.environ), "limits": [resource.getrlimit(kind)[0] for kind in _KINDS]}
    told = json.dumps({**found, **{name: str(_tried(code, victim)) for name, code in ATTACKS.items()}})
    os.write(1, told.encode())
    return 0


_KINDS = (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)

ATTACKS = {
    "tcp": "import socket; socket.socket()",
    "tcp6": "import socket; socket.socket(socket.AF_INET6)",
    "udp": "import socket; socket.socket(type=socket.SOCK_DGRAM)",
    "unix": "import socket; socket.socket(socket.AF_UNIX)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "signal": "import os; os.kill(VICTIM, 0)",
    "memory": "open(f'/proc/{VICTIM}/mem', 'rb')",
    "environment of the farm": "open(f'/proc/{VICTIM}/environ', 'rb').read()",
}


def _tried(code: str, victim: int) -> OSError | None:
    try:
        exec(code, {"VICTIM": victim})  # noqa: S102 - the attacks above
    except OSError as error:
        return error
    return None


@confined
@pytest.mark.parametrize("attack", ATTACKS)
def test_ffmpegs_place_opens_no_socket_and_reaches_no_other_process(attack: str) -> None:
    """A decoder with a hole asks the cloud's metadata, the farm's database, or another process's memory."""
    tried = f"try:\n    {ATTACKS[attack]}\n    print('done')\nexcept OSError as error:\n    print(error.errno)"

    assert answer(f"VICTIM = {os.getpid()}\n{tried}") in {"1", "13"}


@confined
def test_so_does_the_child_that_reads_by_libav() -> None:
    server = ForkServer("test_children:look_around", preload=())
    # The child finds this module where the tests are.
    with environment({"PYTHONPATH": str(Path(__file__).parent), **SECRETS}):
        finished = asyncio.run(server.run(str(os.getpid()).encode(), timeout=30))
        server.close()
    told = json.loads(finished.stdout)

    assert {name for name in ATTACKS if told[name] == "None"} == set()
    assert "marked" not in json.dumps(told["environment"])
    assert told["limits"][0] == 0


@confined
def test_what_it_starts_is_confined_as_well() -> None:
    """It starts a program of its own, even one that would have more rights."""
    status = answer(
        "import subprocess; print(subprocess.run(['cat', '/proc/self/status'], capture_output=True, text=True).stdout)"
    )
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert told["NoNewPrivs"] == "1"
    assert told["Seccomp"] == "2"
    assert int(told["CapEff"], 16) <= 0b1111  # of root's rights those over files


@linux
def test_it_is_bounded_and_leaves_no_core() -> None:
    """A bomb makes it grow without end, or crashes it so that its memory is written to the disk."""
    names = ("RLIMIT_CORE", "RLIMIT_DATA", "RLIMIT_NOFILE", "RLIMIT_CPU")
    told = answer(f"import resource; print([resource.getrlimit(getattr(resource, name))[0] for name in {names}])")
    core, memory, files, seconds = json.loads(told)

    assert core == 0
    assert 0 < memory <= max(8 << 30, psutil.virtual_memory().total)
    assert 0 < files <= 4096
    assert 0 < seconds <= 30 * 24 * 3600


@linux
def test_a_file_beyond_the_bound_ends_who_writes_it_and_no_other(tmp_path: Path) -> None:
    """A decoder is made to write without end, so that the disk is full for everybody."""
    mortal = "import signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)"  # Python asks not to be
    argv = [sys.executable, "-c", f"{mortal}; open(sys.argv[1], 'wb').write(bytes(9999))"]

    with process.files_of_at_most(5_000):
        bounded = asyncio.run(process.run([*argv, str(tmp_path / "bounded")]))
    free = asyncio.run(process.run([*argv, str(tmp_path / "free")]))

    assert (bounded.status, free.status) == (-signal.SIGXFSZ, 0)
    assert (tmp_path / "bounded").stat().st_size <= 5_000
    assert (tmp_path / "free").stat().st_size == 9999


@linux
def test_ffmpeg_that_writes_more_than_is_planned_fails_and_says_so(tmp_path: Path) -> None:
    """A source of few bytes shows more and more."""
    endless = ["-v", "error", "-f", "lavfi", "-i", "testsrc2", "-c:v", "rawvideo", str(tmp_path / "endless.nut")]

    with process.files_of_at_most(1 << 20), pytest.raises(FfmpegFailed, match="more than what is planned can take"):
        asyncio.run(ffmpeg.ffmpeg(endless, timeout=30))

    assert (tmp_path / "endless.nut").stat().st_size <= 1 << 20


@linux
def test_memory_beyond_the_bound_is_refused_and_the_farm_goes_on() -> None:
    """A decoder is made to ask for more memory than the machine has."""
    beyond = 2 * max(8 << 30, psutil.virtual_memory().total)
    code = f"try:\n    bytearray({beyond})\nexcept MemoryError:\n    print('refused')"

    assert answer(code) == "refused"
