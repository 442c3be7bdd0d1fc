"""How the local command line shows that it is the farm's own user on its machine: it can read the farm's secret.

Whoever can do that needs no farm to read any file of the farm's, nor to connect to any network of its machine. So what
they name is not guarded (`Caller.here`). A key does not show that: it may be held on another machine, or by a web page.
"""

import contextlib
from typing import TYPE_CHECKING

from framemill.errors import KeyRefused

if TYPE_CHECKING:  # the command line asks for nothing of it before it speaks to a farm
    from framemill.sealing import Seals

HEADER = "X-Framemill-Here"
"""Of a request, with the proof."""
_PURPOSE = "here"
_SECONDS = 60


def proof(seals: "Seals") -> str:
    """What proves it for a minute, as far as clocks go."""
    return seals.signed(_PURPOSE, True)


def is_proved(seals: "Seals", token: str | None) -> bool:
    """Whether it is a proof of this farm's. One of another farm's is none, and no mistake either."""
    with contextlib.suppress(KeyRefused):
        return token is not None and seals.read(_PURPOSE, token, seconds=_SECONDS) is True
    return False
