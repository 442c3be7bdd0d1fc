"""Who visits the farm's pages: sessions as a cookie carries them."""

import contextlib
import hmac
import time
from collections.abc import Callable

from framemill.errors import FramemillError, KeyRefused
from framemill.services.callers import Caller
from framemill.services.limits import FailedLogins
from framemill.services.sessions import Sessions

KNOWN_SECONDS = 5.0
"""How long somebody who was let in is not asked again: a page asks for dozens of things at once."""
_MOST_KNOWN = 1000


class Visitors:
    """Gives sessions, and knows them again; plain functions, called in threads."""

    def __init__(self, sessions: Sessions, admin_key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._admin_key = admin_key.encode()
        self._clock = clock
        self._failed = FailedLogins()
        self._known: dict[str, tuple[float, Caller]] = {}

    def invited(self, token: str) -> str:
        """A session for whoever brings a login link's token. Raises `KeyRefused` for one that is used or too old."""
        return self._sessions.redeemed(token).refresh_token

    def signed_in(self, name: str, secret: str, place: str = "") -> str:
        """A session for a user with a password; or, without a name, for the farm's own key. `place`: the address.

        Raises `KeyRefused`, `Forbidden` and `TooMany`.
        """
        if name:
            return self._sessions.opened(name, secret, place).refresh_token
        self._failed.allow("", place)
        if not hmac.compare_digest(secret.encode(), self._admin_key):
            self._failed.failed("", place)
            raise KeyRefused("This is not the farm's own key; whoever has another account logs in as one of its users.")
        return self._sessions.redeemed(self._sessions.login_link()).refresh_token

    def left(self, session: str) -> None:
        """End a session; what is none is passed over."""
        self._known.pop(session, None)
        with contextlib.suppress(FramemillError):
            self._sessions.ended(session)

    def caller(self, session: str) -> Caller:
        """Whose session it is; one that was ended is known so within seconds. Raises `KeyRefused` and `Forbidden`."""
        now = self._clock()
        since, caller = self._known.get(session, (-KNOWN_SECONDS, None))
        if caller is None or now - since >= KNOWN_SECONDS:
            caller = self._sessions.refreshed(session).caller
            self._known = {one: told for one, told in self._known.items() if now - told[0] < KNOWN_SECONDS}
            if len(self._known) < _MOST_KNOWN:
                self._known[session] = (now, caller)
        return caller
