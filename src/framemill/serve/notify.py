"""Tells systemd how the supervisor stands, where systemd has started it (sd_notify(3))."""

import contextlib
import socket


def notify(address: str | None, *words: str) -> None:
    """Send `READY=1`, `STOPPING=1`, `STATUS=…` to the socket that NOTIFY_SOCKET names; nothing without one."""
    if not address:
        return
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
        client.sendto("\n".join(words).encode(), name)
