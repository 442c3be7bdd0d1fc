"""Where the browser sends files to and gets them from: links past this process, good for a while."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from fastapi import Request
from nicegui import ui

from framemill.dashboard.parts import DashboardParts
from framemill.services.callers import Caller
from framemill.services.links import output_token, upload_token
from framemill.services.uploads import NewUpload, Uploads

MOUNT = "/dashboard"
"""Where the dashboard is in a farm; what lies beside it is found from there."""
_LINK_HOURS = 12


def prefix_of(request: Request) -> str:
    """The path under which a page's application is reached, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def new_upload(
    parts: DashboardParts, caller: Caller, filename: str, size: int, content_type: str | None
) -> tuple[str, str]:
    """An upload's id, and the token of its link. Raises `WrongUse` and `TooLarge`."""
    uploads = Uploads(parts.database, parts.files, caller=caller, door="dashboard")
    made = uploads.created(NewUpload(filename=filename, size=size, content_type=content_type))
    return made.id, upload_token(parts.seals, made.id)


def upload_link(token: str) -> str:
    """Where its bytes are put."""
    return f"{_files()}/uploads/{token}"


def output_link(parts: DashboardParts, output_id: str, path: str, *, attachment: bool = False) -> str:
    """Where a file of an output is got from; what lies beside it in a package is got from beside it."""
    token = output_token(parts.seals, output_id, datetime.now(UTC) + timedelta(hours=_LINK_HOURS))
    return f"{_files()}/outputs/{token}/{quote(path)}" + ("?download=1" if attachment else "")


def _files() -> str:
    return prefix_of(ui.context.client.request).removesuffix(MOUNT) + "/files"
