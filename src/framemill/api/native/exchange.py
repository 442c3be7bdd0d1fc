"""Between uploads and outputs and the words of `/v1`. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from framemill.api.native import exchange_schemas as schemas
from framemill.api.native import schemas as words
from framemill.jobs.model import Delivery, Output
from framemill.jobs.uploads import Part, UploadState, part_sizes
from framemill.jobs.uploads import Upload as Stored
from framemill.sealing import Seals
from framemill.secrets import mask, mask_url
from framemill.services.links import MOUNT, output_token, upload_token
from framemill.services.outputs import ShownOutput
from framemill.services.uploads import ShownUpload

_ENTRIES = ("master.m3u8", "manifest.mpd", "video.mp4")
"""Of a package, what is opened first."""


def upload(shown: ShownUpload, seals: Seals, base: str) -> schemas.Upload:
    """An upload as it stands, with the links to send it by while it is open."""
    found = shown.upload
    links: dict[str, object] = {}
    if found.state is UploadState.OPEN:
        token = upload_token(seals, found.id)
        place = f"{base}{MOUNT}/uploads/{token}"
        if found.protocol == "multipart":
            links = {"part_url": f"{place}/parts/{{number}}", "parts": _parts(found, shown.parts, place)}
        else:
            links = {"url": place, "tus_url": f"{base}{MOUNT}/tus/{token}"}
    same = schemas.Upload.model_fields.keys() & Stored.model_fields.keys()
    plain = {name: getattr(found, name) for name in same}
    metadata = {name: value for name, value in found.metadata.items() if name != "tus"}
    told = {**plain, "size_bytes": found.size, "received_bytes": found.received, "metadata": metadata, **links}
    return schemas.Upload.model_validate(told)


def _parts(found: Stored, come: Sequence[Part], place: str) -> list[schemas.UploadPart]:
    here: Mapping[int, Part] = {part.number: part for part in come}
    sizes: dict[int, int] = {}
    if found.size is not None and found.part_bytes is not None:
        sizes = dict(enumerate(part_sizes(found.size, found.part_bytes), start=1))
    return [
        schemas.UploadPart(
            number=number,
            url=f"{place}/parts/{number}",
            size_bytes=here[number].size if number in here else sizes.get(number),
            etag=here[number].etag if number in here else None,
            received_at=here[number].received_at if number in here else None,
        )
        for number in sorted({*sizes, *here})
    ]


def output(shown: ShownOutput, seals: Seals, base: str, until: datetime) -> schemas.LinkedOutput:
    """An output with links to what is published of it, good until then."""
    found = shown.owned.output
    place = f"{base}{MOUNT}/outputs/{output_token(seals, found.id, until)}"
    here = {row.path: f"{place}/{quote(row.path)}" for row in shown.files}
    names = [row.path for row in shown.files]
    package = found.settings.container == "package"
    first = next((name for name in _ENTRIES if name in here), None) if package else next(iter(names), None)
    if package and first is None and shown.playable:
        here[_ENTRIES[0]], first = f"{place}/{_ENTRIES[0]}", _ENTRIES[0]
    url = None if first is None else here[first]
    return schemas.LinkedOutput.model_validate(
        {
            **_plain(found),
            "job_id": found.job_id,
            "state": shown.owned.job_state.value,
            "url": url,
            "url_expires_at": None if url is None else until,
            "download_limit": found.download_limit,
            "download_count": found.download_count,
            "protected": bool(found.password_hashes),
            "files": [{**_file(row), "url": here[row.path]} for row in shown.files],
        }
    )


def _plain(found: Output) -> dict[str, object]:
    same = words.Output.model_fields.keys() & Output.model_fields.keys()
    return {
        **{name: getattr(found, name) for name in same},
        "target": None if found.target is None else mask_url(found.target),
        "message": None if found.message is None else mask(found.message, ()),
        "settings": found.settings.model_dump(mode="json"),
    }


def _file(row: Delivery) -> dict[str, object]:
    same = words.File.model_fields.keys() & Delivery.model_fields.keys()
    return {**{name: getattr(row, name) for name in same}, "uri": mask_url(row.uri), "size_bytes": row.size}
