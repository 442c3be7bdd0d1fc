"""What the routes of bytes are handed."""

from typing import Annotated

from fastapi import Depends, Request

from framemill.api.parts import ApiParts
from framemill.services.links import uploaded_by
from framemill.services.uploads import BEARER, Uploads


async def parts_of(request: Request) -> ApiParts:
    """The application's parts."""
    parts: ApiParts = request.app.state.parts
    return parts


Parts = Annotated[ApiParts, Depends(parts_of)]


async def _uploads(parts: Parts) -> Uploads:
    return Uploads(parts.database, parts.files, caller=BEARER, nudge=parts.nudge)


TheUploads = Annotated[Uploads, Depends(_uploads)]


async def _upload_id(token: str, parts: Parts) -> str:
    return uploaded_by(parts.seals, token)


UploadId = Annotated[str, Depends(_upload_id)]
"""The upload that the token in the path is for. Raises `KeyRefused`."""
