"""Puts together who tells the world: every door's scheme, the farm's seals, and the way out."""

from collections.abc import Mapping

from framemill.api.native import telling as native
from framemill.config import load_settings
from framemill.farm.coordination import Coordination
from framemill.farm.place import Place
from framemill.serve.secrets import seals_of
from framemill.services.callbacks import Desk
from framemill.services.courier import Courier
from framemill.services.schemes import Scheme
from framemill.services.sending import HttpSend
from framemill.store.database import Database

SCHEMES: Mapping[str, Scheme] = {"native": native.SCHEME}
"""By the name that a callback's policy has for it."""


def courier_of(_place: Place, database: Database, jobs: Coordination) -> Courier:
    """The farm's courier, in the process of its coordinator."""
    settings = load_settings()
    seals = seals_of(settings)
    desk = Desk(seals, settings.allowed_networks)
    return Courier(
        database=database, writes=jobs, schemes=SCHEMES, seals=seals, reach_of=desk.reach_of, send=HttpSend()
    )
