"""The front doors that the farm has beside its native API: whoever builds another one adds it here."""

from framemill.api.convertrilo.door import DOOR as CONVERTRILO
from framemill.api.devstreamcore.door import DOOR as DEVSTREAMCORE
from framemill.api.door import Door
from framemill.api.onlineconvert.door import DOOR as ONLINECONVERT
from framemill.api.openencoder.door import DOOR as OPENENCODER
from framemill.api.optimized.door import DOOR as OPTIMIZED

DOORS: tuple[Door, ...] = (CONVERTRILO, DEVSTREAMCORE, ONLINECONVERT, OPENENCODER, OPTIMIZED)
