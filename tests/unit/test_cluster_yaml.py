"""`cluster.yaml` against Ray's own schema, in the order in which `ray up` does it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

RAY_DEFAULT_PORTS = {"6379", "8265", "52365", "10001"}

Config = dict[str, Any]


@pytest.fixture
def config() -> Config:
    loaded: Config = yaml.safe_load((Path(__file__).parents[2] / "cluster.yaml").read_text())
    return loaded


def ray_start(config: Config, kind: str) -> list[str]:
    """The words of the one `ray start` line for a head or a worker."""
    (line,) = [line for line in config[f"{kind}_start_ray_commands"] if "ray start" in line]
    return str(line).split()


def test_ray_accepts_the_file(config: Config) -> None:
    validate_config(prepare_config(config))


def test_ray_would_refuse_a_mistyped_key(config: Config) -> None:
    with pytest.raises(ValidationError, match="max_wokers"):
        validate_config(prepare_config(config | {"max_wokers": 2}))


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_the_uv_hook_is_off_on_every_machine(config: Config, kind: str) -> None:
    assert ray_start(config, kind)[:3] == ["RAY_ENABLE_UV_RUN_RUNTIME_ENV=0", "ray", "start"]


def test_the_head_keeps_off_the_ports_of_a_default_ray(config: Config) -> None:
    ports = {word.split("=")[1] for word in ray_start(config, "head") if "port=" in word}

    assert len(ports) == len(RAY_DEFAULT_PORTS)
    assert ports.isdisjoint(RAY_DEFAULT_PORTS)


def test_the_workers_join_the_head_at_its_port(config: Config) -> None:
    (port,) = [word.split("=")[1] for word in ray_start(config, "head") if word.startswith("--port=")]

    assert f"--address=$RAY_HEAD_IP:{port}" in ray_start(config, "worker")
