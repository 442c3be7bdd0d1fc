"""What a URL of the web is, and what is on this machine."""

import ipaddress
from urllib.parse import urlsplit


def is_web(uri: str) -> bool:
    """Whether it is fetched from a web server."""
    return uri.startswith(("http://", "https://"))


def is_loopback(url: str) -> bool:
    """Whether who answers at this URL is on this machine. A name is not, whatever it begins with, but `localhost`."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name, or no URL
        return False
