"""Behind a real nginx, under a path: links lead back through it, events come at once, large bodies get through."""

import contextlib
import dataclasses
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from front_door import KEY, FrontDoor, served, wanted

from framemill.api.app import create_app
from framemill.store.database import Database

SETUP = """
daemon off;
error_log stderr;
pid {folder}/nginx.pid;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /farm/ {{
      proxy_pass {url}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Prefix /farm;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      client_max_body_size 0;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_http_version 1.1;
    }}
  }}
}}
"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[FrontDoor]:
    database = Database(f"sqlite:///{tmp_path / 'farm.db'}")
    database.create()
    made = FrontDoor(database)
    made.parts = dataclasses.replace(made.parts, trusted_proxies=(ip_network("127.0.0.1/32"),))
    made.app = create_app(made.parts)
    yield made
    database.close()


@contextlib.contextmanager
def behind_nginx(url: str, folder: Path) -> Iterator[str]:
    """The address of an nginx in front of that URL."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        pytest.skip("there is no nginx here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    setup = folder / "nginx.conf"
    setup.write_text(SETUP.format(folder=folder, port=port, url=url))
    process = subprocess.Popen([nginx, "-c", str(setup), "-p", str(folder), "-e", "stderr"])
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, "nginx has ended"
            threading.Event().wait(0.05)
        yield f"http://127.0.0.1:{port}/farm"
    finally:
        process.terminate()
        process.wait(20)


def test_links_lead_back_through_the_proxy(door: FrontDoor, tmp_path: Path) -> None:
    with (
        served(door) as url,
        behind_nginx(url, tmp_path) as front,
        httpx.Client(headers={"X-API-Key": KEY}, timeout=30) as client,
    ):
        made = client.post(f"{front}/v1/jobs", json=wanted(), headers={"X-Request-Id": "through.nginx"})
        assert made.status_code == 201, made.text
        assert made.headers["Location"] == f"{front}/v1/jobs/{made.json()['id']}"
        assert made.headers["X-Request-Id"] == "through.nginx"
        assert client.get(made.headers["Location"]).json()["id"] == made.json()["id"]
        index = client.get(f"{front}/framemill/v1").json()
        assert index["docs_url"] == f"{front}/framemill/v1/docs"
        assert client.get(index["openapi_url"]).json()["servers"] == [{"url": f"{front}/framemill"}]
        assert client.get(f"{index['docs_url']}/docs.js").status_code == 200
        # Who asks the farm itself cannot say that it was asked in another way, unless they are a proxy of its own.
        wrong = client.post(f"{front}/v1/jobs", json=wanted(), headers={"X-Forwarded-Host": "evil.example"})
        assert wrong.headers["Location"].startswith(f"{front}/v1/jobs/")


def test_large_uploads_and_downloads_pass(door: FrontDoor, tmp_path: Path) -> None:
    with (
        served(door) as url,
        behind_nginx(url, tmp_path) as front,
        httpx.Client(headers={"X-API-Key": KEY}, timeout=60) as client,
    ):
        made = client.post(f"{front}/v1/uploads", json={"filename": "film.mov"}).json()
        assert made["url"].startswith(front), made["url"]
        answer = client.put(made["url"], content=b"x" * (8 << 20))
        assert answer.is_success, answer.text
        assert client.get(f"{front}/v1/uploads/{made['id']}").json()["state"] == "completed"
