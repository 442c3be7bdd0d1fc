"""What a farm keeps to itself: its key, and what it seals and signs with. Made where nobody has set them."""

from framemill.config import Settings
from framemill.sealing import Seals
from framemill.serve.farmfile import make_secret


def admin_key_of(settings: Settings) -> str:
    """The key that opens every door. Raises OSError where it cannot be kept."""
    if settings.admin_key is not None:
        return settings.admin_key.get_secret_value()
    return make_secret(settings.folder.admin_key)


def seals_of(settings: Settings) -> Seals:
    """What links, sessions and stored addresses are signed and sealed with. Raises OSError where it cannot be kept."""
    if settings.secret_key is not None:
        return Seals(settings.secret_key.get_secret_value())
    return Seals(make_secret(settings.folder.secret_key))
