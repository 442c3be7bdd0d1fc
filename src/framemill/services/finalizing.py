"""An upload becomes a video: checked, put together, and written, once, however often it is asked for.

Between any two steps the process may be killed: the next try finds what was done before. The bytes are put together
first, and known to be so by the store or by the upload's row; then the video is written with its job in one
transaction, which looks once more whether somebody else has done so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framemill.errors import Conflict, LinkExpired, NotFound, WrongUse
from framemill.jobs.uploads import Upload, UploadState
from framemill.services.submission import JobRequest
from framemill.services.uploads import GivenPart, ShownUpload, Uploads
from framemill.services.videos import NewVideo, ShownVideo, Videos

MadeOf = Callable[[Upload], tuple[JobRequest, NewVideo]]
"""What becomes of an upload that is whole."""


@dataclass(frozen=True, slots=True)
class Given:
    """What its sender says of an upload."""

    size: int
    """Bytes."""
    upload_name: str | None = None
    """The store's own name for an upload in parts (`name_of`)."""
    parts: Sequence[GivenPart] = ()


def name_of(upload: Upload) -> str | None:
    """What an upload in parts is called beside its id; none: it comes in one go."""
    return upload.id.replace("-", "") if upload.protocol == "multipart" else None


def finalized(uploads: Uploads, videos: Videos, upload_id: str, given: Given, made_of: MadeOf) -> ShownVideo:
    """The video of that upload, made now or before.

    Raises `NotFound` where the upload, or its video, is there no more, and `WrongUse` where what its sender says does
    not hold: `param` is `size`, `upload_name` or `parts`. The upload is as it was then, and may be finalized anew.
    """
    found = uploads.shown(upload_id)
    known = videos.of_upload(upload_id)
    if known is not None:
        return known
    _refuse_wrong(found, given)
    try:
        whole = uploads.completed(upload_id, given.parts)
    except LinkExpired as error:
        raise NotFound(error.message) from None
    except Conflict:
        param = "parts" if found.upload.protocol == "multipart" else None
        raise _wrong(param, "Its bytes have not come: send them first, and finalize it then.") from None
    if whole.size != given.size:
        raise _wrong("size", f"The upload has {whole.size} bytes, not {given.size}: say how many there are.")
    return videos.made(*made_of(whole))


def _refuse_wrong(found: ShownUpload, given: Given) -> None:
    upload = found.upload
    if upload.state in {UploadState.ABORTED, UploadState.EXPIRED}:
        raise NotFound(f"The upload is {upload.state}, and its bytes are gone: upload it again.")
    if upload.protocol == "multipart":
        if given.upload_name != name_of(upload):
            told = "is missing" if given.upload_name is None else "is another one"
            raise _wrong("upload_name", f"It {told}: an upload in parts is finalized with the name it was made with.")
        if not given.parts:
            raise _wrong("parts", "They are missing: an upload in parts is finalized with the ETag of each.")
        if len({one.number for one in given.parts}) != len(given.parts):
            raise _wrong("parts", "A part is named twice.")
        _refuse_misfit(found, given)
    elif given.parts:
        raise _wrong("parts", "This upload comes in one go, and has no parts: leave them away.")
    if upload.size is not None and upload.size != given.size:
        raise _wrong("size", f"The upload has {upload.size} bytes, not {given.size}: say how many there are.")


def _refuse_misfit(found: ShownUpload, given: Given) -> None:
    """Before the parts are put together, while any of them may still be sent again."""
    sizes = {part.number: part.size for part in found.parts}
    if found.upload.state is not UploadState.OPEN or not sizes:  # they were put together before
        return
    lacking = [one.number for one in given.parts if one.number not in sizes]
    if lacking:
        raise _wrong("parts", f"Part {lacking[0]} has not come: send it first.")
    come = sum(sizes[one.number] for one in given.parts)
    if come != given.size:
        raise _wrong("size", f"The parts have {come} bytes together, not {given.size}: say how many there are.")


def _wrong(param: str | None, message: str) -> WrongUse:
    error = WrongUse(message)
    error.param = param
    return error
