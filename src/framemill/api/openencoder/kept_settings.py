"""The settings of an account as they are kept: what is secret of them sealed."""

from collections.abc import Mapping
from typing import Any

from framemill.api.openencoder.settings_words import MASK, NAMES, SECURE, USUAL, replaced
from framemill.errors import Conflict, KeyRefused
from framemill.jobs.keepsakes import Keepsake
from framemill.services.desk import Desk
from framemill.services.fields import about
from framemill.services.keepsakes import Keepsakes

KIND = "settings"


class KeptSettings:
    """Those of the account of whoever asks; each call blocks."""

    def __init__(self, kept: Keepsakes, desk: Desk | None = None) -> None:
        """`desk`: where it is checked whom the farm may be told to connect to; none: nobody can be told of."""
        self._kept = kept
        self._desk = desk

    def values(self) -> dict[str, str]:
        """All of them by name, with their secrets. Raises `Conflict` where those were lost with the farm's secret."""
        return self._values(self._found())

    def shown(self) -> dict[str, str]:
        """The same, to be looked at: secrets that were lost are empty, so that they can be set anew."""
        found = self._found()
        try:
            return self._values(found)
        except Conflict:
            return self._plain(found)

    def replace(self, said: Mapping[str, Any]) -> None:
        """From now on they are what is said. Raises `WrongUse` for what does not fit, `Conflict` where a mask stands
        for what was lost."""
        found = self._found()
        masked = any(said.get(name) == MASK for name in SECURE)
        values = replaced(self._values(found) if masked else USUAL, said)
        if self._desk is not None and values["SLACK_WEBHOOK"]:
            with about("SLACK_WEBHOOK"):
                self._desk.address(values["SLACK_WEBHOOK"])
        data = {name: values[name] for name in NAMES if name not in SECURE}
        secrets = {name: values[name] for name in NAMES if name in SECURE}
        self._kept.only(KIND, data, secrets)

    def _found(self) -> Keepsake | None:
        return next(iter(self._kept.listed()), None)

    def _values(self, found: Keepsake | None) -> dict[str, str]:
        try:
            secrets = {} if found is None else self._kept.secrets(found)
        except KeyRefused:
            raise Conflict(
                "The secrets of the settings were sealed with another secret of the farm's, and cannot be read: "
                "set all of them anew, without masks."
            ) from None
        return {**self._plain(found), **secrets}

    @staticmethod
    def _plain(found: Keepsake | None) -> dict[str, str]:
        return {**USUAL, **({} if found is None else found.data)}
