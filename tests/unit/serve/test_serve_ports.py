"""Ports of a farm, chosen from those that are said to be free."""

import random

import pytest

from framemill.errors import FarmError
from framemill.serve.ports import FIRST, LAST, REPLICA_PORTS, USUAL_DASHBOARD, choose_ports


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - for ports, not for secrets


@pytest.mark.parametrize("seed", range(20))
def test_every_port_is_another_one(seed: int) -> None:
    ports = choose_ports(lambda _: True, dice(seed))
    row = range(ports.replicas_first, ports.replicas_end)
    assert len({*ports.singles(), *row}) == len(ports.singles()) + REPLICA_PORTS
    assert all(FIRST <= port <= LAST for port in {*ports.singles(), *row} - {USUAL_DASHBOARD})


def test_rays_dashboard_is_where_everybody_looks_for_it_or_where_it_was_put() -> None:
    assert choose_ports(lambda _: True, dice(1)).dashboard == USUAL_DASHBOARD
    assert FIRST <= choose_ports(lambda port: port != USUAL_DASHBOARD, dice(1)).dashboard <= LAST
    assert choose_ports(lambda _: True, dice(1), dashboard=9000).dashboard == 9000
    avoiding = choose_ports(lambda _: True, dice(1)).gcs
    put_there = choose_ports(lambda _: True, dice(1), dashboard=avoiding)
    assert [put_there.dashboard, *put_there.singles()].count(avoiding) == 2


def test_none_lies_where_ray_puts_its_workers() -> None:
    assert not set(range(FIRST, LAST + 1)) & set(range(10_002, 20_000))


def test_only_free_ones_are_taken() -> None:
    def is_free(port: int) -> bool:
        return port < FIRST + 2000 or port % 2 == 0

    ports = choose_ports(is_free, dice(1))
    assert all(map(is_free, (*ports.singles(), *range(ports.replicas_first, ports.replicas_end))))


def test_two_farms_seldom_look_at_the_same_ones() -> None:
    chosen = [set(choose_ports(lambda _: True, dice(seed)).singles()) for seed in range(10)]
    assert len(set().union(*chosen)) > 70


def test_a_machine_without_free_ports_is_said_so() -> None:
    with pytest.raises(FarmError, match="no free ports between 20000 and 32700"):
        choose_ports(lambda _: False, dice(1))
