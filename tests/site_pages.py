"""The pages in front of a store without a farm: whatever a coordinator would write, the test writes."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from front_door import KEY, FrontDoor
from starlette.applications import Starlette
from starlette.routing import Mount

from framemill.api.bytes.app import create_bytes_app
from framemill.dashboard.app import create_dashboard
from framemill.dashboard.links import MOUNT
from framemill.dashboard.parts import DashboardParts
from framemill.services.links import MOUNT as FILES
from framemill.services.sessions import Sessions
from framemill.services.visitors import Visitors
from framemill.store.database import Database


@dataclass(frozen=True)
class Site:
    """The farm's HTTP with its pages."""

    url: str
    door: FrontDoor
    sessions: Sessions

    def login(self, then: str = "/") -> str:
        """A link that leads to one of the pages."""
        return f"{self.url}{MOUNT}/login?token={self.sessions.login_link()}&next={then}"


@contextlib.contextmanager
def served_pages(folder: Path) -> Iterator[Site]:
    """The site under uvicorn, on a port that was free; one in a process, as the dashboard itself."""
    database = Database(f"sqlite:///{folder / 'farm.db'}")
    database.create()
    door = FrontDoor(database)
    seals = door.parts.seals
    sessions = Sessions(database, seals)
    pages = create_dashboard(
        DashboardParts(
            database=database,
            nudge=door.parts.nudge,
            farm=door.farm,
            visitors=Visitors(sessions, KEY),
            seals=seals,
            files=door.parts.files,
            logs=_logs(folder),
        )
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with pages.router.lifespan_context(pages):
            yield

    mounts = [Mount(FILES, create_bytes_app(door.parts)), Mount(MOUNT, pages), Mount("/", door.app)]
    whole = Starlette(routes=mounts, lifespan=lifespan)
    config = uvicorn.Config(whole, host="127.0.0.1", port=0, log_level="warning", ws="websockets-sansio")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", door, sessions)
    server.should_exit = True
    thread.join()
    listening.close()
    database.close()


def _logs(folder: Path) -> Path:
    logs = folder / "logs"
    logs.mkdir()
    return logs
