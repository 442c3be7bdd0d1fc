"""A deployer for tests: one detached actor, which serves what a farm's front door does, and gives signs of life.

As a script it deploys; with `up` as its only word it runs a farm that is deployed by it, and with `broken` one that
cannot be deployed.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import ray

from framemill.config import load_settings
from framemill.errors import FramemillError
from framemill.logs import log_file, log_to
from framemill.serve.service import run_farm
from framemill.serve.supervisor import Patience

ACTOR = "coordinator"


class Door(BaseHTTPRequestHandler):
    """`/healthz`, `/readyz`, `/framemill/v1/farm` and `/framemill/v1/farm/drain`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        key = Path(os.environ["FRAMEMILL_DATA_DIR"], "admin.key").read_text("ascii")
        if self.path == "/framemill/v1/farm" and self.headers.get("Authorization") != f"Bearer {key}":
            self._answer(401, {})
        else:
            self._answer(200, {"live": True, "slots": 2, "jobs": {"encoding": 1}, "backlog_seconds": 3.5})

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        Path(os.environ["FRAMEMILL_DATA_DIR"], "drained.json").write_bytes(asked)
        self._answer(200, {"drained": True})

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""

    def _answer(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Coordinator:
    """Serves in a thread, writes its sign of life, and has one child that sleeps under the name of ffmpeg."""

    def __init__(self, host: str, port: int, sign: str) -> None:
        self._server = ThreadingHTTPServer((host, port), Door)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        fake = Path(sign).with_name("ffmpeg")
        if not fake.exists():
            fake.symlink_to("/bin/sleep")
        self._child = subprocess.Popen([str(fake), "3600"], start_new_session=True)
        self._sign = Path(sign)
        self._hangs = threading.Event()
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        part = self._sign.with_suffix(".part")
        while True:
            part.write_text(json.dumps({"pid": os.getpid(), "started": psutil.Process().create_time()}))
            part.replace(self._sign)
            if self._hangs.wait(1.0):
                return

    def hang(self) -> None:
        """Live on without a sign of it."""
        self._hangs.set()

    def pids(self) -> tuple[int, int]:
        """This process and its child."""
        return os.getpid(), self._child.pid


def deploy() -> None:
    settings = load_settings()
    ray.init(address=os.environ["RAY_ADDRESS"], namespace="framemill", log_to_driver=False)
    made: Any = (
        ray.remote(Coordinator)
        .options(name=ACTOR, lifetime="detached", get_if_exists=True, num_cpus=0, max_restarts=-1)
        .remote(settings.host, settings.port, str(settings.folder.sign_of_life))
    )
    ray.get(made.pids.remote())


def say(sentence: str) -> None:
    """As `framemill up` does."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def up(deployer: list[str], **ways: Any) -> None:
    settings = load_settings()
    log_to("INFO", "text", file=log_file(settings.folder.logs, "supervisor"))
    try:
        run_farm(settings, say, deployer=deployer, **ways)
    except FramemillError as error:
        sys.exit(f"framemill: {error.message}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["up"]:
            up([sys.executable, __file__])
        case ["broken"]:
            up([sys.executable, "-c", "exit('the database is on fire')"], patience=Patience(first_tries=1))
        case _:
            deploy()
