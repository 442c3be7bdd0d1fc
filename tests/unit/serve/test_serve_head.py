"""How Ray's head is started, and what becomes of its state on disk."""

import asyncio
import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from framemill.errors import FarmError
from framemill.serve.head import (
    TEMP_PREFIX,
    HeadPlan,
    clear_traces,
    forget,
    make_temp_dir,
    remove_temp_dir,
    set_aside,
    stands,
    who_ended,
)
from framemill.serve.ports import choose_ports


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - for ports, not for secrets


PLAN = HeadPlan(
    farm_id="abc",
    ports=choose_ports(lambda _: True, dice(1)),
    temp_dir=Path("/run/fm-12345678/ray"),
    token=Path("/data/ray.token"),
    gcs=Path("/data/gcs"),
    cpus=2,
)


def test_every_port_of_ray_is_said() -> None:
    ports = PLAN.ports
    assert {f"--port={ports.gcs}", f"--dashboard-port={ports.dashboard}"} < set(PLAN.command())
    assert f"--dashboard-agent-listen-port={ports.dashboard_agent}" in PLAN.command()
    assert f"--ray-client-server-port={ports.client}" in PLAN.command()
    assert {"--min-worker-port=0", "--max-worker-port=0"} < set(PLAN.command())


def test_every_port_of_serve_is_said() -> None:
    variables, ports = PLAN.variables(), PLAN.ports
    assert variables["RAY_SERVE_HAPROXY_STATS_PORT"] == str(ports.haproxy_stats)
    assert variables["RAY_SERVE_HAPROXY_METRICS_PORT"] == str(ports.haproxy_metrics)
    assert variables["RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"] == str(ports.fallback_http)
    assert variables["RAY_SERVE_FALLBACK_PROXY_GRPC_PORT"] == str(ports.fallback_grpc)
    assert variables["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"] == str(ports.replicas_first)
    assert variables["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"] == str(ports.replicas_end)


def test_a_front_door_that_takes_long_to_come_up_is_waited_for() -> None:
    assert float(PLAN.variables()["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"]) >= 30


def test_every_process_is_marked_and_finds_this_farm() -> None:
    variables = PLAN.variables()
    assert variables["FRAMEMILL_FARM"] == "abc"
    assert variables["RAY_ADDRESS"] == f"127.0.0.1:{PLAN.ports.gcs}"
    assert (variables["RAY_AUTH_MODE"], variables["RAY_AUTH_TOKEN_PATH"]) == ("token", "/data/ray.token")
    assert variables["RAY_AUTH_TOKEN"] == ""


def test_ray_jobs_find_our_programs_and_have_time_to_cancel() -> None:
    variables = PLAN.variables()
    assert variables["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert int(variables["RAY_JOB_STOP_WAIT_TIME_S"]) > 3


def test_rays_dashboard_listens_where_it_is_told_to() -> None:
    assert "--dashboard-host=127.0.0.1" in PLAN.command()
    assert "--dashboard-host=10.0.0.1" in replace(PLAN, dashboard_host="10.0.0.1").command()
    assert {"--include-dashboard=true"} < set(PLAN.command())
    assert {"--include-dashboard=false"} < set(replace(PLAN, dashboard=False).command())


def test_the_state_of_the_cluster_is_kept_on_disk_or_in_memory() -> None:
    assert PLAN.variables()["RAY_gcs_storage"] == "rocksdb"
    assert PLAN.variables()["RAY_gcs_storage_path"] == "/data/gcs"
    in_memory = replace(PLAN, gcs=None).variables()
    assert in_memory["RAY_gcs_storage"] == "memory"
    assert "RAY_gcs_storage_path" not in in_memory


def test_other_machines_see_a_farm_only_when_it_is_told_to() -> None:
    assert PLAN.variables()["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert replace(PLAN, loopback=False).variables()["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "1"


def test_haproxys_sockets_have_names_that_the_kernel_takes() -> None:
    node = "f" * 56
    socket = Path(PLAN.variables()["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    assert len(str(socket.parent / node / socket.name)) < 104


def test_a_temp_dir_is_short_private_and_removed() -> None:
    folder = make_temp_dir()
    assert str(folder).startswith(TEMP_PREFIX)
    assert folder.parent.stat().st_mode & 0o077 == 0
    remove_temp_dir(folder)
    assert not folder.parent.exists()


def test_a_folder_that_is_none_of_ours_is_not_removed(tmp_path: Path) -> None:
    remove_temp_dir(tmp_path / "ray")
    assert tmp_path.exists()


def test_the_state_set_aside_before_is_removed(tmp_path: Path) -> None:
    gcs, aside = tmp_path / "gcs", tmp_path / "gcs.aside"
    for content in ("old", "new"):
        gcs.mkdir()
        (gcs / content).touch()
        set_aside(gcs)
    assert [path.name for path in aside.iterdir()] == ["new"]
    assert not gcs.exists()
    set_aside(gcs)
    forget(gcs)


def test_a_head_stands_when_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "ray_current_cluster").touch()
    asyncio.run(stands(tmp_path, 0.0))
    clear_traces(tmp_path)
    with pytest.raises(FarmError, match="did not come up within 0 s"):
        asyncio.run(stands(tmp_path, 0.0))


def test_the_log_of_ray_tells_who_ended(tmp_path: Path) -> None:
    path = tmp_path / "head.log"
    assert who_ended(path) == ""
    path.write_text(
        "15:31:40,991	ERR scripts.py:87 -- raylet [exit code=-9]\n"
        "15:31:40,992	ERR scripts.py:115 -- ----- BEGIN raylet.out tail (exit code(s)=-9 (signal 9)) -----\n"
    )
    assert who_ended(path) == "raylet ended with status -9"
