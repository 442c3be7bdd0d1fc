"""The door: its routes, its refusals, how it tells the world."""

from framemill.api.devstreamcore import play, signing, telling, uploads, videos, webhooks
from framemill.api.devstreamcore.asked import DOOR_NAME
from framemill.api.devstreamcore.refusals import write
from framemill.api.door import Door

DOOR = Door(
    name=DOOR_NAME,
    title="DevStreamCore",
    routers=(uploads.routes, videos.routes, signing.routes, webhooks.routes, play.routes),
    write=write,
    schemes={DOOR_NAME: telling.SCHEME},
    once={"apart": DOOR_NAME},
)
