"""Options under a name: the farm's own presets, which are everybody's, and those that an account keeps."""

from collections.abc import Mapping
from typing import Any

from framemill.api.onlineconvert.catalogue import target_of
from framemill.api.onlineconvert.kept import SECRET_OPTIONS
from framemill.api.onlineconvert.options import checked
from framemill.errors import Conflict, NotFound, WrongUse
from framemill.jobs.keepsakes import Keepsake
from framemill.jobs.presets import PRESETS
from framemill.services.fields import about
from framemill.services.keepsakes import Keepsakes

KIND = "preset"
"""As they are kept."""
_OWN = {name: preset for name, preset in PRESETS.items() if name != "usual"}
"""Without the one that is meant where nobody names any."""

Told = dict[str, Any]


class Presets:
    """Those that somebody may use. Each call blocks; `kept` None: nobody has said who they are."""

    def __init__(self, kept: Keepsakes | None) -> None:
        self._kept = kept

    def listed(self, *, category: str | None = None, target: str | None = None, words: str | None = None) -> list[Told]:
        """Those of that category and target; `words`: any of these, with commas between, is in the name."""
        found = [*map(_public, _OWN), *(_private(one) for one in (self._kept.listed() if self._kept else ()))]
        asked = {"category": category, "target": target}
        named = [word for one in (words or "").split(",") if (word := one.strip().lower())]
        return [
            one
            for one in found
            if all(said in {None, "", one[field]} for field, said in asked.items())
            and (not named or any(word in str(one["name"]).lower() for word in named))
        ]

    def shown(self, preset_id: str) -> Told:
        """One of them. Raises `NotFound`."""
        return _public(preset_id) if preset_id in _OWN else _private(self._mine.shown(preset_id))

    def made(self, name: str, target: str, category: str | None, options: Mapping[str, Any]) -> Told:
        """A new one. Raises `WrongUse` as `checked` does, and `Conflict` where the account has too many."""
        data = _data(target, category, options)
        return _private(self._mine.made(name, data, _secrets(options)))

    def changed(self, preset_id: str, said: Mapping[str, Any]) -> Told:
        """One with other words; what is not said stays. Raises `Conflict` for the farm's own, else as `made` does."""
        before = self._own_one(preset_id)
        target = said.get("target", before.data["target"])
        category = said.get("category", before.data["category"] if "target" not in said else None)
        options = said.get("options", before.data["options"])
        data = _data(target, category, options)
        return _private(self._mine.changed(preset_id, name=said.get("name"), data=data, secrets=_secrets(options)))

    def removed(self, preset_id: str) -> None:
        """Forget one. Raises `Conflict` for the farm's own."""
        self._mine.removed(self._own_one(preset_id).id)

    def resolved(self, options: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
        """Options over those of the preset that they name, and the farm's own preset below them, where that is it.

        Raises `WrongUse` about `preset` where there is none such.
        """
        named = options.get("preset")
        if not isinstance(named, str):
            return dict(options), None  # what is wrong with it is said by whoever checks options
        if named in _OWN:
            return dict(options), named
        try:
            found = self._mine.shown(named)
        except NotFound:
            with about("preset"):
                raise WrongUse(f"There is no preset {named[:60]!r}: GET /presets lists them.") from None
        secrets = {name: said for name, said in self._mine.secrets(found).items() if said is not None}
        return {**found.data["options"], **secrets, **options}, None

    @property
    def _mine(self) -> Keepsakes:
        if self._kept is None:
            raise NotFound("There is no preset of that id that is everybody's: send your key to see your own.")
        return self._kept

    def _own_one(self, preset_id: str) -> Keepsake:
        if preset_id in _OWN:
            raise Conflict(f"{preset_id} is one of the farm's own presets, and stays: make one of yours.")
        return self._mine.shown(preset_id)


def _data(target: str, category: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    if "preset" in options:
        with about("options.preset"):
            raise WrongUse("A preset is made of options, and of no other preset: leave it out.")
    meant = checked(target, category, options)
    shown = {name: said for name, said in meant.options.items() if name not in SECRET_OPTIONS}
    return {"target": meant.target, "category": meant.category, "options": shown}


def _secrets(options: Mapping[str, Any]) -> dict[str, Any] | None:
    return {name: said for name, said in options.items() if name in SECRET_OPTIONS} or None


def _public(name: str) -> Told:
    container = _OWN[name].output.container
    meant = target_of("hls" if container == "package" else container)
    return {"id": name, "name": _OWN[name].summary, "scope": "public", "target": meant.name,
            "category": meant.category, "options": {}}  # fmt: skip


def _private(found: Keepsake) -> Told:
    return {"id": found.id, "name": found.name, "scope": "private", **found.data}
