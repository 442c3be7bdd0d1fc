"""Masks secrets in what people read: settings, logs, support bundles. It rather masks too much than too little."""

import functools
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from pydantic import BaseModel, SecretStr

MASK = "***"
"""Stands where a secret stood."""

_SHORT = 8  # characters: a known secret below is looked for as a word, or it would be found in half of all words

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://")
_HTTP = {"http://", "https://", "ws://", "wss://"}
# In JSON a quote stands behind a backslash; such a pair is one letter here, so that masked JSON stays JSON.
_RUN = re.compile(r"(?:[^\s\"<>\\]|\\\S)*")
_LONGEST_URL = 4096  # letters that are looked through for the end of a password
_ENCODED_USER = re.compile(r"(?i)(%3A%2F%2F)(?:(?!%2F|%3F|%23)[^\s\"&<>])*%40")

# One that is named otherwise is not consumed: what it says may be a URL with parameters of its own.
_LETTER = r"(?:[\w.~$\[\]-]|%5B|%5D)"
_WORDS = "key|token|sig|secret|pass|pwd|auth|cred|jwt|hmac|hdn|policy|session|ticket"
_NAME = rf"({_LETTER}{{0,60}}?(?:{_WORDS}){_LETTER}{{0,60}}|sas|code)"
_PARAMETER = re.compile(rf"""(?i)([?&;#]|\\u0026){_NAME}(=)((?:[^\s"'&<>#\\]|\\(?!u0026)\S|'(?!\s|"|\Z))+)""")
_ENCODED_PARAMETER = re.compile(rf"""(?i)(%3F|%26|%23|%3B){_NAME}(%3D)((?:(?!%26|%23)[^\s"&<>\\])+)""")

_STRONG = (
    r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|signature|cookie|jwt"
    r"|(?:api|access|admin|private|secret|account|signing|encryption|decryption|ssh|master|shared)[-_]?key)"
)
_PAIR = re.compile(
    rf"(?i)(?<![\w.-])([\w.-]{{0,60}}{_STRONG})((?:\\?[\"'])?\s*[:=]\s*)"
    r"""(\\"(?:[^\\]|\\[^"])*\\"|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&"'(){}\[\]<>\\]+)"""
)
_OPTION = re.compile(
    r"""(?i)(?<![\w-])(--?[\w-]{0,40}(?:password|passwd|passphrase|secret|token|[-_]key))(["'],\s*["']|\s+["']?)([^\s"'-][^\s"']*)"""
)
_AUTHORIZATION = re.compile(r"""(?i)(\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?)([^"'\r\n\\]+)""")
_BARE = re.compile(
    r"(?s)(?:(?<=[Bb]earer )|(?<=BEARER ))[^\s\"',;\\]{6,}"
    r"|\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"  # a JSON web token
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
# Most texts have none of these, and are quickly done with.
_HINT = re.compile(r"(?i)[=:]|%3D|%40|key|token|secret|passw|passphrase|bearer|eyJ|AKIA|ASIA")
_SECRET_NAME = re.compile(rf"(?i){_STRONG}|authorization|sealed|^auth$")
_NO_SECRET = {"null", "none", "true", "false", MASK}


def mask(text: str, known: Collection[str] = ()) -> str:
    """The text with its secrets replaced.

    Those are: `known` ones, wherever they stand and however they are quoted; user and password of URLs; parameters of
    URLs that are named like a secret (token, key, signature, password, …); `password=…`, `"token": …`, `--admin-key …`;
    authorisation headers, web tokens and private keys.
    """
    if known:
        text = _known(tuple(known)).sub(MASK, text)
    if not _HINT.search(text):
        return text
    if "://" in text:
        text = _without_users(text)
    if "%" in text:
        text = _ENCODED_USER.sub(rf"\1{MASK}%40", text)
        text = _ENCODED_PARAMETER.sub(rf"\1\2\3{MASK}", text)
    if "=" in text:
        text = _PARAMETER.sub(rf"\1\2\3{MASK}", text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    text = _PAIR.sub(_pair, text)
    text = _OPTION.sub(rf"\1\2{MASK}", text)
    return _BARE.sub(MASK, text)


def mask_url(url: str, known: Collection[str] = ()) -> str:
    """The same for a text that is one URL: a password may then hold blanks and slashes."""
    scheme = _SCHEME.match(url)
    end = _end_of_user(scheme[0], url[scheme.end() :]) if scheme else None
    if scheme and end is not None:
        url = f"{scheme[0]}{MASK}@{url[scheme.end() + end + 1 :]}"
    return mask(url, known)


def secrets_of(url: str) -> set[str]:
    """The secrets that a URL holds, as they stand there and unquoted: its password, else its user, and parameters."""
    found = set()
    scheme = _SCHEME.match(url)
    end = _end_of_user(scheme[0], url[scheme.end() :]) if scheme else None
    if scheme and end is not None:
        user, colon, password = url[scheme.end() : scheme.end() + end].partition(":")
        found.add(password if colon else user)
    found |= {parameter[4] for parameter in _PARAMETER.finditer(url)}
    return {secret for one in found for secret in (one, unquote(one)) if secret}


def masked(value: Any, known: Collection[str] = ()) -> Any:
    """A value as JSON knows it: its texts masked as by `mask`, and replaced whatever is named like a secret."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {
                mask(str(name), known): MASK if part and _SECRET_NAME.search(str(name)) else masked(part, known)
                for name, part in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [masked(part, known) for part in value]
        case SecretStr():  # which writes stars by itself
            return MASK
        case _:
            return mask(str(value), known)


def masked_settings(settings: BaseModel) -> dict[str, Any]:
    """Each setting's value as it may be shown."""
    return {name: _shown(getattr(settings, name)) for name in type(settings).model_fields}


def _shown(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return mask_url(value)
    return masked(value)


@functools.lru_cache(maxsize=8)
def _known(secrets: tuple[str, ...]) -> re.Pattern[str]:
    forms = set()
    for secret in secrets:
        if secret.strip():
            forms |= {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    longest = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(_searched(form) for form in longest) or r"(?!)")


def _searched(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) >= _SHORT else rf"(?<!\w){escaped}(?!\w)"


def _without_users(text: str) -> str:
    parts = []
    at = run_end = 0
    while scheme := _SCHEME.search(text, at):
        parts.append(text[at : scheme.end()])
        at = scheme.end()
        if at >= run_end and (run := _RUN.match(text, at)):
            run_end = run.end()
        end = _end_of_user(scheme[0], text[at : min(run_end, at + _LONGEST_URL)])
        if end is not None:
            parts.append(MASK)
            at += end
    return "".join([*parts, text[at:]])


def _end_of_user(scheme: str, rest: str) -> int | None:
    """Where the `@` behind a URL's user and password stands in what follows the scheme; none: it has no user.

    A password that should have been quoted and was not may hold `/`, `?` and `#`; databases' URLs are even read so.
    """
    slash = re.search(r"[/?#]", rest)
    authority = rest[: slash.start()] if slash else rest
    at = authority.rfind("@")
    if at < 0:
        _, colon, port = authority.partition(":")
        unquoted = colon and not authority.startswith("[") and not re.fullmatch(r"[0-9]*", port)
        if unquoted or (colon and scheme.lower() not in _HTTP):
            at = rest.rfind("@")
    return at if at > 0 else None


def _pair(found: re.Match[str]) -> str:
    name, sign, value = found.groups()
    if value.lower() in _NO_SECRET:
        return found[0]
    around = next((mark for mark in ('\\"', '"', "'") if value.startswith(mark)), "")
    if not around and '"' in sign:  # a number in JSON
        around = '\\"' if "\\" in sign else '"'
    return f"{name}{sign}{around}{MASK}{around}"
