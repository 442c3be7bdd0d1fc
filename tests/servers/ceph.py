"""Ceph's gateway, a real S3 store: a monitor, a disk in memory and the gateway, on this machine; gone with the tests.

Needs the packages ceph-mon, ceph-osd, radosgw and ceph-common; skips, and says so, where they are not installed.
"""

import secrets
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.started import await_port, free_port, running

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
START_SECONDS = 90
DISK_BYTES = 3 << 30
"""Memory, as it is used."""

CONFIG = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor}
ms bind msgr1 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = true
keyring = {folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
run dir = {folder}
admin socket = {folder}/$cluster-$name.asok
log file = {folder}/$name.log
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = {disk}
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{gateway}
rgw data = {folder}
rgw enable usage log = false
rgw enable gc threads = true
rgw gc obj min wait = 5
"""


@dataclass(frozen=True)
class Gateway:
    """A running gateway, and a user of it. Its data is in memory: it is ended without ceremony."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    folder: Path

    def admin(self, *words: str) -> str:
        """What `radosgw-admin` says."""
        return _said("radosgw-admin", "-c", str(self.folder / "conf"), *words)


@contextmanager
def running_gateway() -> Iterator[Gateway]:
    """Start it, and stop it in the end."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"no Ceph: {', '.join(missing)} missing; apt install ceph-mon ceph-osd radosgw ceph-common")
    folder = Path(tempfile.mkdtemp(prefix="fm-ceph-"))
    with ExitStack() as ends:
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        conf = folder / "conf"
        gateway, monitor, fsid = free_port(), free_port(), str(uuid.uuid4())
        conf.write_text(CONFIG.format(fsid=fsid, monitor=monitor, gateway=gateway, folder=folder, disk=DISK_BYTES))
        for name in ("mon", "osd"):
            (folder / name).mkdir()
        keyring, monmap, found = str(folder / "keyring"), str(folder / "monmap"), ("-c", str(conf))
        everything = [word for of in ("mon", "osd", "mgr") for word in ("--cap", of, "allow *")]
        _said("ceph-authtool", keyring, "--create-keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        _said("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *everything)
        address = f"[v2:127.0.0.1:{monitor}]"
        _said("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, monmap)
        _said("ceph-mon", *found, "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", keyring)
        ends.enter_context(running(["ceph-mon", *found, "-i", "a", "-f"], folder / "mon.out", ends=signal.SIGKILL))
        ceph = ("ceph", *found, "--connect-timeout", "30")
        _said(*ceph, "osd", "create")
        allowed = ("mon", "allow *", "osd", "allow *", "mgr", "allow *")
        _said(*ceph, "auth", "get-or-create", "osd.0", *allowed, "-o", str(folder / "osd" / "keyring"))
        _said(*ceph, "auth", "get-or-create", "client.rgw", *allowed, "-o", str(folder / "rgw.keyring"))
        _said("ceph-osd", *found, "-i", "0", "--mkfs", "-k", str(folder / "osd" / "keyring"))
        _said(*ceph, "osd", "crush", "add", "osd.0", "1", "root=default", "host=local")
        osd = ["ceph-osd", *found, "-i", "0", "-k", str(folder / "osd" / "keyring"), "-f"]
        ends.enter_context(running(osd, folder / "osd.out", ends=signal.SIGKILL))
        rgw = ["radosgw", *found, "-n", "client.rgw", "-k", str(folder / "rgw.keyring"), "-f"]
        process = ends.enter_context(running(rgw, folder / "rgw.out", ends=signal.SIGKILL))
        endpoint = f"http://127.0.0.1:{gateway}"
        await_port(gateway, process, folder / "rgw.out")
        key, secret = f"AK{secrets.token_hex(6).upper()}", secrets.token_hex(16)
        started = Gateway(endpoint, key, secret, folder)
        started.admin(
            *("user", "create", "--uid", "test", "--display-name", "test"), "--access-key", key, "--secret-key", secret
        )
        yield started


def _said(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=START_SECONDS)
    assert done.returncode == 0, (argv, done.stderr[-2000:])
    return done.stdout
