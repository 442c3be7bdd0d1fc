"""Between uploads and outputs and the words of `/v1`. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from framemill.api.native import exchange_schemas as schemas
from framemill.api.native import mapping
from framemill.api.native import schemas as words
from framemill.jobs.model import Delivery
from framemill.jobs.uploads import Part, UploadState, part_sizes
from framemill.jobs.uploads import Upload as Stored
from framemill.sealing import Seals
from framemill.secrets import mask_url
from framemill.services.links import MOUNT, output_place, upload_token, upload_url
from framemill.services.outputs import ShownOutput
from framemill.services.uploads import ShownUpload
from framemill.storage.straight import OWN, Links

_ENTRIES = ("master.m3u8", "manifest.mpd", "video.mp4")
"""Of a package, what is opened first."""


def upload(shown: ShownUpload, seals: Seals, base: str, there: Links = Links()) -> schemas.Upload:  # noqa: B008
    """An upload as it stands, with the links to send it by while it is open; `there`: straight into the bucket."""
    found = shown.upload
    links: dict[str, object] = {}
    if found.state is UploadState.OPEN:
        place = upload_url(seals, base, found.id)
        if there.parts is not None:
            links = {"straight": True, "parts": _parts(found, shown.parts, there.parts)}
        elif found.protocol == "multipart":
            urls = {number: f"{place}/parts/{number}" for number in _numbers(found, shown.parts)}
            links = {"part_url": f"{place}/parts/{{number}}", "parts": _parts(found, shown.parts, urls)}
        else:
            tus = f"{base}{MOUNT}/tus/{upload_token(seals, found.id)}"
            links = {"url": there.url or place, "tus_url": tus, "straight": bool(there.url)}
    same = schemas.Upload.model_fields.keys() & Stored.model_fields.keys()
    plain = {name: getattr(found, name) for name in same}
    metadata = {name: value for name, value in found.metadata.items() if name not in {"tus", *OWN}}
    told = {**plain, "size_bytes": found.size, "received_bytes": found.received, "metadata": metadata, **links}
    return schemas.Upload.model_validate(told)


def _sizes(found: Stored) -> dict[int, int]:
    """Of the parts that are expected."""
    if found.size is None or found.part_bytes is None:
        return {}
    return dict(enumerate(part_sizes(found.size, found.part_bytes), start=1))


def _numbers(found: Stored, come: Sequence[Part]) -> list[int]:
    return sorted({*_sizes(found), *(part.number for part in come)})


def _parts(found: Stored, come: Sequence[Part], urls: Mapping[int, str]) -> list[schemas.UploadPart]:
    here: Mapping[int, Part] = {part.number: part for part in come}
    sizes = _sizes(found)
    return [
        schemas.UploadPart(
            number=number,
            url=urls[number],
            size_bytes=here[number].size if number in here else sizes.get(number),
            etag=here[number].etag if number in here else None,
            received_at=here[number].received_at if number in here else None,
        )
        for number in _numbers(found, come)
        if number in urls
    ]


def output(shown: ShownOutput, seals: Seals, base: str, until: datetime) -> schemas.LinkedOutput:
    """An output with links to what is published of it, good until then."""
    found = shown.owned.output
    place = output_place(seals, base, found.id, until)
    here = {row.path: f"{place}/{quote(row.path)}" for row in shown.files}
    names = [row.path for row in shown.files]
    package = found.settings.container == "package"
    first = next((name for name in (*_ENTRIES, *names) if name in here), None)
    if package and first is None and shown.playable:
        here[_ENTRIES[0]], first = f"{place}/{_ENTRIES[0]}", _ENTRIES[0]
    url = None if first is None else here[first]
    return schemas.LinkedOutput.model_validate(
        {
            **mapping.output(found),
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


def _file(row: Delivery) -> dict[str, object]:
    same = words.File.model_fields.keys() & Delivery.model_fields.keys()
    return {**{name: getattr(row, name) for name in same}, "uri": mask_url(row.uri), "size_bytes": row.size}
