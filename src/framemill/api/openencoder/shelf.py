"""The presets that an account has here: those that every farm has, and its own."""

from typing import Any
from uuid import UUID, uuid5

from framemill.api.openencoder.asked import NAME
from framemill.api.openencoder.built_in import BUILT_IN
from framemill.api.openencoder.preset_data import Preset
from framemill.api.openencoder.refused import stated
from framemill.jobs.keepsakes import Keepsake
from framemill.sealing import Seals
from framemill.services.callers import Caller
from framemill.services.idempotency import Ids
from framemill.services.keepsakes import Keepsakes
from framemill.services.numbers import Numbers
from framemill.store.database import Database

KIND = "preset"
_FIRST = len(BUILT_IN) + 1
"""The number of the first one of somebody's own."""
_CHANGED = UUID("1d6f4d0e-2c62-4c0a-9f8e-51b6cf3d6b1a")
"""What ids of changed presets of the farm follow from: any number will do that stays."""
_NO_SUCH = "Preset does not exist"


class _The(Ids):
    """Always the same id: what is made twice is the same thing."""

    def __init__(self, the_id: str) -> None:
        super().__init__()
        self._id = the_id

    def __call__(self) -> str:
        """That id."""
        return self._id


class Shelf:
    """Presets of a caller's account; each call blocks. One of the farm's that the account has changed is its own."""

    def __init__(self, database: Database, seals: Seals, caller: Caller, ids: Ids) -> None:
        self._database = database
        self._seals = seals
        self._caller = caller
        self._ids = ids
        self._numbers = Numbers(database, door=NAME, kind=KIND, first=_FIRST)

    def listed(self) -> list[Preset]:
        """All of them, by their numbers, the greatest first."""
        found = {preset.number: preset for preset in BUILT_IN} | {one.number: one for one in self._own()}
        return [found[number] for number in sorted(found, reverse=True)]

    def shown(self, number: int) -> Preset:
        """The one with that number. Raises `Refused` where there is none."""
        found = next((preset for preset in self.listed() if preset.number == number), None)
        if found is None:
            raise stated(404, _NO_SUCH)
        return found

    def called(self, name: str) -> Preset | None:
        """The newest of that name; none: there is none."""
        return next((preset for preset in self.listed() if preset.name == name), None)

    def made(self, said: dict[str, Any]) -> Preset:
        """A new one. Raises `Conflict` where the account has too many."""
        return self._read(self._kept(self._ids).made(said["name"], said))

    def changed(self, number: int, said: dict[str, Any]) -> Preset:
        """Another one under its number. Raises as `shown` and `made` do."""
        before = self.shown(number)
        own = {one.number: kept for kept, one in self._pairs()}
        if number in own:
            return self._read(self._kept().changed(own[number].id, name=said["name"], data=said))
        the_id = str(uuid5(_CHANGED, f"{self._caller.account}/{number}"))
        data = {**said, "number": before.number}
        return self._read(self._kept(_The(the_id)).made(said["name"], data))

    def removed(self, number: int) -> None:
        """Forget one of the account's own; one of the farm's is then as it was. Raises `Refused` where there is nothing
        to forget."""
        found = next((kept for kept, preset in self._pairs() if preset.number == number), None)
        if found is None:
            raise stated(404, _NO_SUCH)
        self._kept().removed(found.id)

    def _own(self) -> list[Preset]:
        return [preset for _, preset in self._pairs()]

    def _pairs(self) -> list[tuple[Keepsake, Preset]]:
        kept = self._kept().listed()
        numbers = self._numbers.of_all([one.id for one in kept if "number" not in one.data])
        return [(one, Preset.model_validate({"number": numbers.get(one.id), **one.data})) for one in kept]

    def _read(self, kept: Keepsake) -> Preset:
        number = kept.data["number"] if "number" in kept.data else self._numbers.of(kept.id)
        return Preset.model_validate({**kept.data, "number": number})

    def _kept(self, ids: Ids | None = None) -> Keepsakes:
        return Keepsakes(self._database, self._seals, caller=self._caller, door=NAME, kind=KIND, ids=ids)
