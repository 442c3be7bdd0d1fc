"""What Serve's own proxy reads requests with, where no HAProxy stands in front of the replicas."""

from typing import Any

from uvicorn.config import HTTP_PROTOCOLS


def read_with_h11() -> list[Any]:
    """Have uvicorn read HTTP with h11 in this process, which loses nothing of a request that offers another protocol.

    Java's own client offers HTTP/2 with its first request in clear text (RFC 7540 §3.2). httptools, the usual choice,
    takes whatever follows the offer for that protocol's bytes, so that the body would be gone. Serve calls this before
    its proxy listens, and takes a list of middlewares from it: there are none.
    """
    HTTP_PROTOCOLS["auto"] = "uvicorn.protocols.http.h11_impl:H11Protocol"
    return []
