"""What a file is called, in the headers of an answer."""

from typing import Literal
from urllib.parse import quote

_PLAIN = "!#$&+-.^_`|~"  # what a value of RFC 8187 holds as it is, beside letters and digits

Disposition = Literal["inline", "attachment"]


def content_disposition(kind: Disposition, name: str) -> str:
    """With the name in ASCII for everybody, and beside it as it is (RFC 6266, RFC 8187) where it is more."""
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in name)
    told = f'{kind}; filename="{plain}"'
    return told if plain == name else f"{told}; filename*=UTF-8''{quote(name, safe=_PLAIN)}"
