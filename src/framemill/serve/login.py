"""The link by which the farm's owner comes to its pages without a password."""

from framemill.config import Settings
from framemill.serve.secrets import seals_of
from framemill.services.invitations import login_link


def login_url(settings: Settings, url: str) -> str:
    """A link that logs in once, within ten minutes. `url`: where the farm is reached."""
    return f"{settings.public_url or url}/dashboard/login?token={login_link(seals_of(settings))}"
