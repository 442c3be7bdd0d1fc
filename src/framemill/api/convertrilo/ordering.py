"""Jobs of what is asked for on demand, as the farm takes them. Pure."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from framemill.api.convertrilo.encodes import Encode, output_of
from framemill.api.convertrilo.mapping import Note, written
from framemill.api.convertrilo.ondemand_words import (
    PRIORITIES,
    USUAL_EXPIRY,
    VIDEOS,
    Destination,
    Drive,
    DriveOutput,
    EncodeAsked,
    FolderAsked,
    OnDemand,
    Terms,
    named_after,
    result_paths,
)
from framemill.api.convertrilo.prices import Hurry, Prices, cost, guessed_cost, multiplier_of, neu, tariff_of
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.stores import S3, opener_of, uri_of
from framemill.api.convertrilo.telling import ONCE
from framemill.services.callbacks import CallbackRequest
from framemill.services.desk import Opener
from framemill.services.folders import File, FolderRequest
from framemill.services.inputs import InputRequest
from framemill.services.submission import JobRequest
from framemill.services.targets import TargetRequest
from framemill.storage.access import DriveAccess
from framemill.storage.address import name_of
from framemill.storage.credentials import Credentials

_MOST_LISTED = 100_000
"""Of a folder whose name was cut off in the middle, before those are chosen that go on so."""


class Asker(NamedTuple):
    """Who asks, as far as it matters for what they ask for."""

    account: str
    named: Mapping[str, Credentials]
    """What the operator has named."""
    prices: Prices


class Place(NamedTuple):
    """Where a result goes."""

    told: Destination
    target: TargetRequest | None = None
    """None: it stays here."""


def job_for(asked: EncodeAsked, asker: Asker) -> JobRequest:
    """The job of one source; it is held until its price is set aside. Raises `Refused`."""
    source = InputRequest(uri=asked.source_url, filename=asked.original_filename)
    name = named_after(asked.original_filename or name_of(asked.source_url), asked.container)
    place = Place(Destination())
    if asked.output_s3 is not None:
        place = _in_bucket(asked.output_s3, asked.output_s3.key or f"outputs/{name}", asked.encode, asker)
    elif asked.output_google_drive is not None:
        place = _in_drive(asked.output_google_drive, name, asked.encode)
    callbacks = () if asked.webhook is None else (CallbackRequest.model_validate({"url": asked.webhook, **ONCE}),)
    note = _note(asked, asker.prices, place.told, expiry=asked.output_expiry)
    return _job(asked, asker.prices, source, place.target, note, callbacks=callbacks)


def folder_for(asked: FolderAsked, asker: Asker) -> FolderRequest:
    """Which files are looked for. Raises `Refused`."""
    patterns = tuple(f"*.{suffix}" for suffix in VIDEOS)
    if asked.source_s3 is not None:
        folder, begun = _begun(asked.source_s3.prefix)
        uri, opener = uri_of(asked.source_s3.bucket, folder), opener_of(asked.source_s3, asker.named, asker.account)
        most = _MOST_LISTED if begun else asked.max_files
    else:
        drive = asked.source_google_drive
        if drive is None:
            raise Refused(400, "invalid_body", "A folder is named by sourceS3 or by sourceGoogleDrive.")
        uri, opener, most = f"gdrive://{drive.folder_id}", _with_token(drive), asked.max_files
    return FolderRequest(
        folder=uri, credentials=opener, files=patterns, max_files=most, job=JobRequest(inputs=(), outputs=())
    )


def films_of(asked: FolderAsked, found: Sequence[File]) -> list[File]:
    """Those of the files that are meant: of a prefix that ends in the middle of a name, those that go on so."""
    _, begun = _begun("" if asked.source_s3 is None else asked.source_s3.prefix)
    return [file for file in found if file.path.startswith(begun)][: asked.max_files]


def jobs_for(asked: FolderAsked, opener: Opener | None, films: Sequence[File], asker: Asker) -> list[JobRequest]:
    """The job of each film; it is held likewise. Raises `Refused`."""
    results = result_paths([film.path for film in films], asked.container)
    return [_job_of_film(asked, opener, film, result, asker) for film, result in zip(films, results, strict=True)]


def _job_of_film(asked: FolderAsked, opener: Opener | None, film: File, result: str, asker: Asker) -> JobRequest:
    source = InputRequest(uri=film.uri, credentials=opener, filename=PurePosixPath(film.path).name)
    place = Place(Destination())
    if asked.output_destination == "s3" and asked.output_s3 is not None:
        place = _in_bucket(asked.output_s3, f"{asked.output_s3.prefix}{result}", asked.encode, asker)
    elif asked.output_destination == "google-drive" and asked.output_google_drive is not None:
        # One name would be that of all of them.
        place = _in_drive(asked.output_google_drive.model_copy(update={"file_name": None}), result, asked.encode)
    note = _note(
        asked,
        asker.prices,
        place.told,
        ingest="google-drive" if asked.source_s3 is None else "s3",
        external_id=external_id(asked, film),
    )
    return _job(asked, asker.prices, source, place.target, note)


def external_id(asked: FolderAsked, film: File) -> str | None:
    """What a film's job is called by its client."""
    return None if asked.external_id_prefix is None else f"{asked.external_id_prefix}:{film.path}"


def pricing(encode: Encode, prices: Prices, hurry: Hurry, reserved: int) -> dict[str, float]:
    """What it costs, in NEU; `reserved`: thousandths of one, which is all that it is known to cost."""
    return {
        "basePerMinute": neu(cost(encode, tariff_of(encode, prices), 60)),
        "onDemandPerMinute": neu(cost(encode, tariff_of(encode, prices, hurry), 60)),
        "multiplier": float(multiplier_of(prices, hurry)),
        "totalNeu": neu(reserved),
        "reserved": neu(reserved),
    }


def _job(  # noqa: PLR0917
    asked: OnDemand,
    prices: Prices,
    source: InputRequest,
    target: TargetRequest | None,
    note: Note,
    callbacks: tuple[CallbackRequest, ...] = (),
) -> JobRequest:
    return JobRequest(
        inputs=(source,),
        outputs=(output_of(asked.encode, targets=() if target is None else (target,)),),
        start="held",
        priority=PRIORITIES[asked.priority],
        tariff=tariff_of(asked.encode, prices, asked.priority),
        callbacks=callbacks,
        door_data=note.data,
    )


def _note(asked: OnDemand, prices: Prices, destination: Destination, **more: Any) -> Note:
    encode = asked.encode
    terms = Terms(hurry=asked.priority, expiry=more.pop("expiry", USUAL_EXPIRY), destination=destination)
    guessed = guessed_cost(encode, tariff_of(encode, prices, asked.priority), prices)
    told = {"ingest": "url", "external_id": asked.external_id, "metadata": asked.metadata, "reserved": guessed, **more}
    return Note.model_validate({"encode": written(encode), "on_demand": terms.model_dump(), **told})


def _in_bucket(said: S3, key: str, encode: Encode, asker: Asker) -> Place:
    target = TargetRequest(
        uri=uri_of(said.bucket, key),
        credentials=opener_of(said, asker.named, asker.account),
        container=encode.container,
    )
    return Place(Destination(type="s3", bucket=said.bucket, key=key), target)


def _in_drive(said: DriveOutput, name: str, encode: Encode) -> Place:
    called = said.file_name or name.rpartition("/")[2]
    target = TargetRequest(
        uri=f"gdrive://{said.folder_id}/{called}", credentials=_with_token(said), container=encode.container
    )
    return Place(Destination(type="google-drive", folder_id=said.folder_id, file_name=called), target)


def _with_token(said: Drive) -> DriveAccess:
    if not said.access_token:
        raise Refused(
            401,
            "google_drive_not_connected",
            "Google Drive is opened by a token of yours: send its accessToken with the folder.",
        )
    return DriveAccess(token=said.access_token)


def _begun(prefix: str) -> tuple[str, str]:
    """The folder that a prefix is in, and how the names there begin."""
    folder, slash, begun = prefix.removeprefix("/").rpartition("/")
    return f"{folder}{slash}", begun
