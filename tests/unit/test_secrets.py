"""No secret of a URL is left, whatever text it stands in; and what is none stays readable."""

import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from framemill.secrets import MASK, mask, mask_url, masked, secrets_of

# The other letters of the texts below are no capitals, so a secret is in none of them.
LETTERS = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=4, max_size=12)
#: What a URL may hold unquoted, in a password and in a parameter.
URL_MARKS = st.text("-._~!$'()*+,;=:", max_size=3)
SECRETS = st.tuples(LETTERS, URL_MARKS, LETTERS).map("".join)
SCHEMES = st.sampled_from(["http://", "https://", "ftp://", "sftp://", "s3://", "postgresql+psycopg://", "redis://"])
PARAMETERS = st.sampled_from(
    [
        *("token", "access_token", "key", "api_key", "apikey", "sig", "signature", "secret", "password", "pwd", "auth"),
        *("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Goog-Signature", "AWSAccessKeyId"),
        *("Key-Pair-Id", "Policy", "hdnts", "jwt", "sessionid", "X-Plex-Token", "code"),
    ]
)
AROUND = st.sampled_from(
    [
        "{}", "cannot read {}: 403", "'{}'", '"{}"', "<{}>", "({})", "[{}]", "a,{},b", "https://host/a {}", "{}\nnext",
        "-i {} -c copy", "{}; {}", "[in#0 @ 0x55] error opening input {}.", "https://user:pass@other/,{}", "see={}",
    ]
)  # fmt: skip


def left(secret: str, text: str) -> list[str]:
    """Letters of the secret that can be read in the text, four at a time; the marks between them do not count."""
    runs = [run for run in "".join(c if c.isupper() else " " for c in secret).split() if len(run) >= 4]
    return [run for run in runs if run in text]


@given(SCHEMES, SECRETS, SECRETS, AROUND)
@example("https://", "USER", "it's", "'{}'")
def test_no_user_and_no_password_is_left(scheme: str, user: str, password: str, around: str) -> None:
    shown = mask(around.replace("{}", f"{scheme}{user}:{password}@host.example/film.mp4"))

    assert left(user, shown) == left(password, shown) == []
    assert "host.example/film.mp4" in shown


@given(SCHEMES, SECRETS, AROUND)
def test_a_user_without_a_password_may_be_a_token(scheme: str, user: str, around: str) -> None:
    user = user.replace(":", "")

    assert left(user, mask(around.replace("{}", f"{scheme}{user}@host.example/film.mp4"))) == []


@given(PARAMETERS, SECRETS, AROUND, st.sampled_from(["?", "?a=1&", "#", "?a=1;", "/x?y=2&z=3&"]))
def test_no_parameter_that_is_named_like_a_secret_is_left(name: str, secret: str, around: str, before: str) -> None:
    shown = mask(around.replace("{}", f"https://host.example/film.mp4{before}{name}={secret}&last=1"))

    assert left(secret, shown) == []
    assert "host.example/film.mp4" in shown
    assert f"{name}={MASK}&last=1" in shown


@given(SECRETS, PARAMETERS, SECRETS, AROUND)
def test_json_stays_json_without_the_secrets(password: str, name: str, secret: str, around: str) -> None:
    url = f'https://u:{password}"\\{password}@host.example/?{name}={secret}"{secret}&b=2'
    line = mask(json.dumps({"message": around.replace("{}", url), "n": 1, "token": secret, "inner": json.dumps([url])}))

    assert left(password, line) == left(secret, line) == []
    assert json.loads(line)["n"] == 1


@given(SECRETS, PARAMETERS, SECRETS, AROUND)
@example("PASSWORD", "code", "AHDN=AAAA", "{}")
def test_a_url_inside_a_url_is_masked_too(password: str, name: str, secret: str, around: str) -> None:
    inner = quote(f"https://u:{quote(password)}@host.example/?{name}={secret}", safe="")
    shown = mask(around.replace("{}", f"https://door.example/go?to={inner}&b=2"))

    assert left(password, shown) == left(secret, shown) == []
    assert "&b=2" in shown


@given(
    st.sampled_from(["postgresql://", "postgresql+psycopg://", "redis://"]),
    st.text(min_size=1).filter(str.strip),
    LETTERS,
)
def test_a_text_that_is_one_url_may_have_any_password(scheme: str, odd: str, letters: str) -> None:
    password = f"{letters}{odd.replace('@', '')}{letters}"
    url = f"{scheme}me:{password}@db.example/farm"

    assert left(letters, mask_url(url)) == []
    assert mask_url(url).endswith("@db.example/farm")
    assert password in secrets_of(url)


@given(st.text(min_size=1).filter(str.strip), st.text(" \n\"',.:;"), st.text(" \n\"',.:;"))
def test_a_known_secret_is_found_wherever_it_stands(secret: str, before: str, after: str) -> None:
    # Short ones are looked for as words; what is put around them here is none.
    for written in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        shown = mask(f"{before}{written}{after}", [secret])
        assert shown.replace(MASK, "").strip(" \n\"',.:;") in {"", secret.strip(" \n\"',.:;")[:0]}


@given(st.text(), st.lists(st.text(), max_size=3))
def test_masking_ends_and_takes_any_text(text: str, known: list[str]) -> None:
    mask(text, known)


@given(SCHEMES, SECRETS, PARAMETERS, SECRETS, AROUND)
def test_what_is_masked_stays_as_it_is(scheme: str, user: str, name: str, secret: str, around: str) -> None:
    once = mask(around.replace("{}", f"{scheme}{user}@host/?{name}={secret}"))

    assert mask(once) == once


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:p@ss@db/farm", "postgresql://***@db/farm"),
        ("postgresql://me:p/a?s#s@db/farm", "postgresql://***@db/farm"),
        ("RAY_AUTH_TOKEN=abc RAY_AUTH_TOKEN_PATH=/d/ray.token", "RAY_AUTH_TOKEN=*** RAY_AUTH_TOKEN_PATH=/d/ray.token"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("-headers 'Authorization: Basic YTpi\\r\\n' -i x", "-headers 'Authorization: ***\\r\\n' -i x"),
        ("X-API-Key: abc", "X-API-Key: ***"),
        ("https://host/?my[token]=abc&your%5Btoken%5D=abc&n=1", "https://host/?my[token]=***&your%5Btoken%5D=***&n=1"),
        ("with Bearer abcdefgh, refused", "with Bearer ***, refused"),
        ("framemill up --admin-key abc", "framemill up --admin-key ***"),
        ("-decryption_key 00ff -i x", "-decryption_key *** -i x"),
        ("['-decryption_key', '00ff', '-i']", "['-decryption_key', '***', '-i']"),
        ('{"password": "a\\"b", "n": 1}', '{"password": "***", "n": 1}'),
        ('{"token": 12, "secret": null}', '{"token": "***", "secret": null}'),
        ("jwt eyJhbGciOi.eyJzdWIiOi.c2ln!", "jwt ***!"),
        ("-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nnext", "***\nnext"),
    ],
)
def test_other_places_of_secrets(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host.example:8000/a@b/film.mp4?start=3&codec=h264#t=10",
        "http://[::1]:8000/a@b",
        "https://media.example/@user/film.mp4",
        "sqlite:////var/lib/framemill/framemill.db",
        "file:///films/a%20b.mp4",
        "+ ffmpeg -nostdin -i a.mp4 -force_key_frames 'expr:eq(n,0)' -x264-params keyint=250:no-open-gop=1",
        '{"key": "9f86d081884c7d65", "index_key": "titles/1.json", "blob": "chunks/9f86"}',
        "chunk 3 of 12: 250 frames, mail an@example.com",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


def test_a_value_is_masked_by_its_names_and_its_texts() -> None:
    value = {
        "url": "https://u:p@host/",
        "sealed_secret": "AAAA",
        "password_hashes": ["x"],
        "secret": None,
        "token": "",
        "key": "9f86",
        "parts": ({"lease_token": "t"}, 3, 1.5, True, None, SecretStr("abc")),
    }

    assert masked(value) == {
        "url": "https://***@host/",
        "sealed_secret": "***",
        "password_hashes": "***",
        "secret": None,
        "token": "",
        "key": "9f86",
        "parts": [{"lease_token": "***"}, 3, 1.5, True, None, "***"],
    }


def test_a_short_known_secret_is_no_part_of_a_word() -> None:
    assert mask("a farm and a pharmacy: farm", ["farm"]) == "a *** and a pharmacy: ***"
