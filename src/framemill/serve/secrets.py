"""What a farm seals and signs with. Made where nobody has set it."""

from framemill.config import Settings, load_settings
from framemill.farm.place import Place
from framemill.sealing import Seals, make_secret
from framemill.storage.credentials import named_credentials
from framemill.storage.keyring import Keyring


def seals_of(settings: Settings) -> Seals:
    """What links, sessions and stored addresses are signed and sealed with. Raises OSError where it cannot be kept."""
    if settings.secret_key is not None:
        return Seals(settings.secret_key.get_secret_value())
    return Seals(make_secret(settings.folder.secret_key))


def keyring_of(_place: Place) -> Keyring:
    """What opens the stores that clients of the farm name, from the settings of this process's environment."""
    settings = load_settings()
    named = named_credentials(settings.credentials)
    return Keyring(seals=seals_of(settings), named=named, networks=settings.allowed_networks)
