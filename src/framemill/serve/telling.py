"""Puts together who tells the world: every door's scheme, the farm's seals, and the way out."""

from collections.abc import Mapping

from framemill.api.doors import DOORS
from framemill.api.native import telling as native
from framemill.config import load_settings
from framemill.farm.coordination import Coordination
from framemill.farm.place import Place
from framemill.jobs.model import NATIVE
from framemill.serve.secrets import seals_of
from framemill.services.courier import Courier
from framemill.services.schemes import Scheme
from framemill.services.sending import HttpSend
from framemill.storage.guard import Reach
from framemill.store.database import Database

SCHEMES: Mapping[str, Scheme] = {
    NATIVE: native.SCHEME,
    **{name: scheme for door in DOORS for name, scheme in door.schemes.items()},
}
"""By the name that a callback's policy has for it."""


def courier_of(_place: Place, database: Database, jobs: Coordination) -> Courier:
    """The farm's courier, in the process of its coordinator."""
    settings = load_settings()
    seals = seals_of(settings)
    reach = Reach(networks=settings.allowed_networks)
    return Courier(database=database, writes=jobs, schemes=SCHEMES, seals=seals, reach=reach, send=HttpSend())
