"""online-convert's own client, the package `api2convert` as it is, before a door; and what it has sent there."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
from api2convert import Api2Convert, Job

KEY_HEADER = "X-Api2convert-Api-Key"
TOKEN_HEADER = "X-Api2convert-Token"  # noqa: S105 - a header's name


class Sent(NamedTuple):
    """A request that the client has made."""

    method: str
    path: str
    headers: httpx.Headers


@dataclass
class Vendors:
    """The vendor's client, and what it speaks HTTP with."""

    api: Api2Convert
    base: str
    """Its base URL."""
    key: str
    http: httpx.Client
    sent: list[Sent] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """What the client has no method for, with its key; of a header that is empty nothing is sent."""
        shown = {KEY_HEADER: self.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        url = path if path.startswith("http") else f"{self.base}{path}"
        kept = {name: value for name, value in shown.items() if value}
        return self.http.request(method, url, json=body, headers=kept)

    def told(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer that is none of a refusal."""
        answer = self.ask(method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def stepwise(self, *targets: str, **more: Any) -> Job:
        """A job that waits to be started, with these conversions."""
        return self.api.jobs.create({"process": False, "conversion": [{"target": one} for one in targets], **more})


@contextlib.contextmanager
def vendors_client(farm_url: str, key: str, headers: Mapping[str, str] | None = None) -> Iterator[Vendors]:
    """One for that key; `headers`: what somebody in between would add."""
    sent: list[Sent] = []

    def noted(request: httpx.Request) -> None:
        sent.append(Sent(request.method, request.url.path, request.headers))

    base = f"{farm_url}/v2"
    with httpx.Client(timeout=60, trust_env=False, headers=headers, event_hooks={"request": [noted]}) as http:
        api = Api2Convert(key, base_url=base, poll_max_interval=1, max_retries=0, http_client=http)
        yield Vendors(api, base, key, http, sent)
