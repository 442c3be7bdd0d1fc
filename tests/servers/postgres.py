"""A PostgreSQL server of the tests' own: on a socket in a folder of its own, gone with them."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from servers.started import die_with_me
from sqlalchemy import URL

NOBODY = "nobody"
START_SECONDS = 120
ROOM_BYTES = 1 << 30


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`: the pgserver package's, else the system's; none: there are none."""
    # The package is not imported: it would make folders and users.
    found = importlib.util.find_spec("pgserver")
    if found is not None and found.origin is not None:
        packaged = Path(found.origin).with_name("pginstall") / "bin"
        if (packaged / "postgres").exists():
            return packaged
    system = shutil.which("initdb"), shutil.which("postgres")
    return Path(system[0]).parent if all(system) and system[0] is not None else None


class Server:
    """A running server; each test has a database of its own in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0

    def url(self, name: str, *, host: Path | None = None) -> URL:
        """The address of a database, as a setting would have it."""
        query = {"host": str(host or self.folder)}
        return URL.create("postgresql", username="framemill", database=name, query=query)

    def ask(self, statement: LiteralString, *values: Any) -> list[Any]:
        """The rows of a statement that is not about one test's database."""
        with psycopg.connect(host=str(self.folder), user="framemill", dbname="postgres", autocommit=True) as conn:
            asked = conn.execute(statement, values)
            return asked.fetchall() if asked.description else []

    def new_database(self, template: str = "template0") -> str:
        """The name of a new database: an empty one, or a copy of another that nobody is connected to."""
        self._made += 1
        name = f"farm_{self._made}"
        self._about("CREATE DATABASE {} TEMPLATE {}" + self._copying(), name, template)
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._about("DROP DATABASE {} WITH (FORCE)", name)

    def close_door(self, name: str) -> None:
        """End every connection to a database, and let nobody in."""
        self._about("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        self.ask("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", name)

    def open_door(self, name: str) -> None:
        """Let everybody in again."""
        self._about("ALTER DATABASE {} ALLOW_CONNECTIONS true", name)

    def _copying(self) -> LiteralString:
        """The quick way, where the server knows of more than one."""
        ((version,),) = self.ask("SHOW server_version_num")
        return " STRATEGY FILE_COPY" if int(version) >= 150_000 else ""

    def _about(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(host=str(self.folder), user="framemill", dbname="postgres", autocommit=True) as conn:
            conn.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server, and stop it in the end; skips, and says what is missing, where there is none."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL: neither the pgserver package nor initdb and postgres in PATH")
    folder = Path(tempfile.mkdtemp(prefix="fm-pg-", dir=_quick_place()))
    try:
        as_whom = _not_root(folder)
        _initialised(found, folder, as_whom)
        # It is faster so, and nobody wants the data after a power cut.
        switches = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off"}
        argv = [str(found / "postgres"), "-D", str(folder / "data")]
        argv += [word for name, value in switches.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                argv,
                stdout=log,
                stderr=log,
                cwd=folder,
                preexec_fn=partial(die_with_me, signal.SIGINT),  # noqa: PLW1509 (it only makes a system call)
                **as_whom,
            )
        try:
            _await(process, folder)
            yield Server(folder)
        finally:
            process.send_signal(signal.SIGINT)  # ends its connections, and then itself
            process.wait(START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _quick_place() -> str:
    """Memory, where there is enough: a database is some 300 files. Short, as a socket's path has to be."""
    memory = Path("/dev/shm")  # noqa: S108
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES
    return str(memory) if roomy else "/tmp"  # noqa: S108


def _not_root(folder: Path) -> dict[str, Any]:
    """How to start a process that may be a server: it refuses to be root's."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(NOBODY)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _initialised(found: Path, folder: Path, as_whom: dict[str, Any]) -> None:
    argv: list[str | Path]
    argv = [found / "initdb", "-D", folder / "data", "-U", "framemill", "-A", "trust", "-E", "UTF8", "--no-sync"]
    try:
        done = subprocess.run([*argv, "--locale=C"], capture_output=True, text=True, cwd=folder, check=False, **as_whom)
    except PermissionError:
        pytest.skip(f"no PostgreSQL: {found} cannot be read by {NOBODY}, and the server does not run as root")
    assert done.returncode == 0, done.stderr


def _await(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Return when it takes connections."""
    pause = threading.Event()
    for _ in range(START_SECONDS * 50):
        assert process.poll() is None, (folder / "log").read_text()
        try:
            psycopg.connect(host=str(folder), user="framemill", dbname="postgres").close()
        except psycopg.OperationalError:
            pause.wait(0.02)
        else:
            return
    raise AssertionError(f"no answer in {START_SECONDS} s: {(folder / 'log').read_text()}")
