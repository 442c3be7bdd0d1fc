"""One farm for the tests of all doors that need an encode: it stays, so it can be stopped and killed in between.

What a test leaves on it others find: make jobs, accounts, buckets and paths of your own, and end what you have begun.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import clips
import httpx
import pytest
from doors.around import LONG_SECONDS, S3, DoorFarm, Receiver, as_new_film, receiving
from servers.jellyfin import Jellyfin, running_jellyfin
from servers.moto import running_moto
from servers.scripted import Scripted, scripted


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder takes a farm that stays."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.service)
            item.add_marker(pytest.mark.farm)
            item.add_marker(pytest.mark.timeout(900))  # whichever is first waits for the farm's start, too


@pytest.fixture(scope="session")
def jellyfin() -> Iterator[Jellyfin]:
    """The farm's media server, without users and films; it is on an address that is open to nobody else."""
    with running_jellyfin(host="127.1.0.1") as server:
        yield server


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory, jellyfin: Jellyfin) -> Iterator[DoorFarm]:
    """Two slots; whatever is on 127.0.0.0/16 may be asked; DevStreamCore's own host name is that door's; of optimized
    versions one is made at a time."""
    made = DoorFarm(
        tmp_path_factory.mktemp("farm"),
        ALLOWED_NETWORKS="127.0.0.0/16",
        HOSTS="api.devstreamcore.com=devstreamcore",
        DOORS__OPTIMIZED__JELLYFIN_URL=jellyfin.url,
        DOORS__OPTIMIZED__ACTIVE_JOBS="1",
    )
    try:
        made.up()
        yield made
    finally:
        made.close()
        made.down("--now")


@pytest.fixture(scope="session")
def http(farm: DoorFarm) -> Iterator[httpx.Client]:
    """Relative URLs are the farm's; it carries no key, and follows no redirect."""
    with httpx.Client(base_url=farm.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of H.264 and AAC, 640x360, 30 frames a second."""
    path = tmp_path_factory.mktemp("films") / "in.mp4"
    clips.encode(path, *clips.picture(6, "30", "640x360"), *clips.sound(6), *clips.x264("keyint=60"), *clips.AAC)
    return path


@pytest.fixture(scope="session")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of H.264 and AAC, 640x360, in a QuickTime file."""
    path = tmp_path_factory.mktemp("films") / "short.mov"
    clips.encode(path, *clips.picture(1, "25", "640x360"), *clips.sound(1), *clips.x264("keyint=25"), *clips.AAC)
    return path


@pytest.fixture(scope="session")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`LONG_SECONDS` that are hard to encode: long enough to be caught in the middle."""
    path = tmp_path_factory.mktemp("films") / "long.mp4"
    noise = f"testsrc2=size=640x360:rate=30:duration={LONG_SECONDS},noise=alls=20:allf=t"
    clips.encode(path, "-f", "lavfi", "-i", noise, *clips.sound(LONG_SECONDS), "-c:v", "libx264",
                 "-preset", "ultrafast", "-crf", "30", *clips.AAC)  # fmt: skip
    return path


@pytest.fixture(scope="session")
def web(film: Path) -> Iterator[Scripted]:
    """A web server that answers HEAD and Range: `web.files["/a.mp4"] = …` puts more there."""
    with scripted() as server:
        server.files["/in.mp4"] = film.read_bytes()
        server.files["/no-film.mp4"] = b"This is no film, whatever its name says. " * 500
        yield server


@pytest.fixture(scope="session")
def src(web: Scripted) -> str:
    """URL of `film`."""
    return f"{web.url}/in.mp4"


@pytest.fixture(scope="session")
def short_src(web: Scripted, short_film: Path) -> str:
    """URL of `short_film`."""
    web.files["/short.mov"] = short_film.read_bytes()
    return f"{web.url}/short.mov"


@pytest.fixture
def new_long_src(web: Scripted, long_film: Path) -> Iterator[Callable[[], str]]:
    """A further URL of `long_film`, each of a file of its own: what other jobs have had encoded shortens none of it."""
    paths: list[str] = []

    def made() -> str:
        paths.append(f"/long-{uuid.uuid4().hex}.mp4")
        web.files[paths[-1]] = as_new_film(long_film.read_bytes())
        return f"{web.url}{paths[-1]}"

    yield made
    for path in paths:
        del web.files[path]


@pytest.fixture
def long_src(new_long_src: Callable[[], str]) -> str:
    """URL of `long_film`, of which nothing is encoded yet: it can be caught in the middle."""
    return new_long_src()


@pytest.fixture(scope="session")
def broken_src(web: Scripted) -> str:
    """URL of what is no film."""
    return f"{web.url}/no-film.mp4"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Keeps what it is sent, and answers as it is told; of the test's own."""
    with receiving() as made:
        yield made


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """moto, without buckets: `s3.bucket()` makes one."""
    with running_moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield S3(endpoint)
