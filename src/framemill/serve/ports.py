"""The ports of a farm: free ones, chosen once and kept for as long as it runs."""

import contextlib
import errno
import random
import socket
from collections.abc import Callable, Iterator

from pydantic import BaseModel, ConfigDict

from framemill.errors import FarmError

#: Where to look. Below lie the ports that Ray hands to its workers (10002 to 19999, where it tolerates nobody else),
#: above those that Linux gives to outgoing connections, which would take a port while its owner starts again.
FIRST, LAST = 20_000, 32_700
#: Ports for the replicas of the HTTP application; one that has ended keeps its own for a while.
REPLICA_PORTS = 100
#: Where `ray job submit` looks by itself, and everybody who knows Ray.
USUAL_DASHBOARD = 8265
_TRIES = 500

IsFree = Callable[[int], bool]


class Ports(BaseModel):
    """Ports of one farm beside the one that clients know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    gcs: int
    """Ray's address."""
    dashboard: int
    """Ray's own dashboard, through which Ray jobs are submitted."""
    dashboard_agent: int
    client: int
    """Ray Client's server."""
    haproxy_stats: int
    haproxy_metrics: int
    fallback_http: int
    """Serve's Python proxy, while HAProxy is in front."""
    fallback_grpc: int
    replicas_first: int
    replicas_end: int
    """The first port behind those of the replicas."""

    def singles(self) -> tuple[int, ...]:
        """All but the replicas'."""
        return (
            *(self.gcs, self.dashboard, self.dashboard_agent, self.client),
            *(self.haproxy_stats, self.haproxy_metrics, self.fallback_http, self.fallback_grpc),
        )


def choose_ports(
    is_free: IsFree, drawn: random.Random, *, avoid: frozenset[int] = frozenset(), dashboard: int | None = None
) -> Ports:
    """Free ports, at random: two farms that start at once should not look at the same ones. Raises `FarmError`.

    `dashboard`: where Ray's is to be, free or not; none: `USUAL_DASHBOARD` where that is free, else anywhere.
    """
    if dashboard is None and USUAL_DASHBOARD not in avoid and is_free(USUAL_DASHBOARD):
        dashboard = USUAL_DASHBOARD
    avoid = avoid if dashboard is None else avoid | {dashboard}
    first = _first_of_free_row(is_free, drawn, avoid)
    taken = avoid | set(range(first, first + REPLICA_PORTS))
    singles = _free_ones(is_free, drawn, taken)
    return Ports(
        gcs=next(singles),
        dashboard=next(singles) if dashboard is None else dashboard,
        dashboard_agent=next(singles),
        client=next(singles),
        haproxy_stats=next(singles),
        haproxy_metrics=next(singles),
        fallback_http=next(singles),
        fallback_grpc=next(singles),
        replicas_first=first,
        replicas_end=first + REPLICA_PORTS,
    )


def _first_of_free_row(is_free: IsFree, drawn: random.Random, avoid: frozenset[int]) -> int:
    for _ in range(_TRIES):
        first = drawn.randint(FIRST, LAST - REPLICA_PORTS)
        if all(port not in avoid and is_free(port) for port in range(first, first + REPLICA_PORTS)):
            return first
    raise _crowded()


def _free_ones(is_free: IsFree, drawn: random.Random, taken: frozenset[int]) -> Iterator[int]:
    used = set(taken)
    for _ in range(_TRIES):
        port = drawn.randint(FIRST, LAST)
        if port not in used and is_free(port):
            used.add(port)
            yield port
    raise _crowded()


def _crowded() -> FarmError:
    return FarmError(f"There are no free ports between {FIRST} and {LAST}: end what listens there.")


def is_free(port: int, host: str = "") -> bool:
    """Whether nobody listens on the port, on any address of this machine or on the one given.

    Raises OSError for an address that is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        # As servers do: what is left of connections that have ended does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True
