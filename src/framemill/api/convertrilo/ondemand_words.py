"""What clients ask for on demand: an encode of a URL, or of every film in a folder. Pure."""

from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias

from pydantic import Field, model_validator

from framemill.api.convertrilo.encodes import Encode, Quality, Words
from framemill.api.convertrilo.prices import Hurry
from framemill.api.convertrilo.refused import Refused
from framemill.api.convertrilo.schemas import Told, WebUrl
from framemill.api.convertrilo.stores import S3

LONGEST_EXPIRY, SHORTEST_EXPIRY, USUAL_EXPIRY = 604_800, 3600, 86_400
"""Seconds that a link is good."""
MOST_FILES = 1000
"""Of a folder."""
PRIORITIES: dict[Hurry, int] = {"normal": 0, "high": 10}
"""Among the jobs of the farm."""

VIDEOS = (
    *("3g2", "3gp", "asf", "avi", "divx", "f4v", "flv", "m2t", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4", "mpe"),
    *("mpeg", "mpg", "mts", "mxf", "ogm", "ogv", "rm", "rmvb", "ts", "vob", "webm", "wmv"),
)
"""Suffixes of what counts as a film in a folder. Convertrilo does not tell which are; these are those of film."""


class S3Output(S3):
    """Where a result is put."""

    key: str = Field(default="", max_length=1024)
    """None: `outputs/`, and the source's name."""


class S3Folder(S3):
    """Where the films are."""

    prefix: str = Field(default="", max_length=1024)


class S3FolderOutput(S3):
    """Where their results are put."""

    prefix: str = Field(default="outputs/", max_length=1024)


class Drive(Words):
    """A folder of Google Drive, and the token that opens it; the farm cannot renew it."""

    folder_id: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")
    access_token: str | None = Field(default=None, max_length=4096, repr=False)
    refresh_token: str | None = Field(default=None, max_length=4096, repr=False)


class DriveOutput(Drive):
    """Where a result is put."""

    file_name: str | None = Field(default=None, min_length=1, max_length=255)


class OnDemand(Encode, Told):
    """What an encode on demand and those of a folder have in common."""

    codec: Literal["h264", "h265", "av1"] = "h264"
    resolution: Literal["480p", "720p", "1080p", "1440p", "2160p", "4320p"] = "1080p"
    fps: int = Field(default=30, ge=1, le=120)
    quality: Quality | None = "better"
    priority: Hurry = "normal"
    output_google_drive: DriveOutput | None = None
    output_dropbox: Any = None

    @property
    def encode(self) -> Encode:
        """What it shall be. A bit rate that was asked for counts more than the quality that nobody has said."""
        said = {name: getattr(self, name) for name in Encode.model_fields}
        if "quality" not in self.model_fields_set and "bitrate_tier" in self.model_fields_set:
            said["quality"] = None
        return Encode.model_validate(said)


class EncodeAsked(OnDemand):
    """One source."""

    source_url: WebUrl
    resolution: Literal["480p", "720p", "1080p", "1440p", "2160p"] = "1080p"
    output_expiry: int = Field(default=USUAL_EXPIRY, ge=SHORTEST_EXPIRY, le=LONGEST_EXPIRY)
    webhook: WebUrl | None = None
    output_s3: S3Output | None = None
    original_filename: str | None = Field(default=None, min_length=1, max_length=255)

    @model_validator(mode="after")
    def _goes_to_one_place(self) -> "EncodeAsked":
        if self.output_s3 is not None and self.output_google_drive is not None:
            raise ValueError("outputS3 and outputGoogleDrive exclude each other")
        return self


class FolderAsked(OnDemand):
    """Every film in a folder."""

    external_id_prefix: str | None = Field(default=None, max_length=200)
    max_files: int = Field(default=MOST_FILES, ge=1, le=MOST_FILES)
    source_s3: S3Folder | None = None
    source_google_drive: Drive | None = None
    source_dropbox: Any = None
    output_destination: Literal["cdn", "s3", "google-drive"] = "cdn"
    output_s3: S3FolderOutput | None = None
    vmaf_target: float | None = Field(default=None, ge=50, le=99)

    @model_validator(mode="after")
    def _is_whole(self) -> "FolderAsked":
        sources = (self.source_s3, self.source_google_drive, self.source_dropbox)
        if sum(one is not None for one in sources) != 1:
            raise ValueError("a folder is named by sourceS3 or by sourceGoogleDrive: give one of them")
        if self.output_destination == "s3" and self.output_s3 is None:
            raise ValueError("outputDestination s3 takes outputS3")
        if self.output_destination == "google-drive" and self.output_google_drive is None:
            raise ValueError("outputDestination google-drive takes outputGoogleDrive")
        return self


Kind: TypeAlias = Literal["cdn", "s3", "google-drive"]


class Destination(Words):
    """Where a result goes, as it is told: nothing in it is secret."""

    type: Kind = "cdn"
    bucket: str | None = None
    key: str | None = None
    folder_id: str | None = None
    file_name: str | None = None

    @property
    def told(self) -> dict[str, Any]:
        """With the fields of its kind."""
        match self.type:
            case "cdn":
                return {"type": "cdn"}
            case "s3":
                return {"type": "s3", "bucket": self.bucket, "key": self.key}
            case "google-drive":
                return {"type": "google-drive", "folderId": self.folder_id, "fileName": self.file_name}


class Terms(Words):
    """What was asked for beside the encode; kept with the job (`Note.on_demand`)."""

    hurry: Hurry = "normal"
    expiry: int = USUAL_EXPIRY
    """Seconds that the link to the result is good, from when it is there."""
    destination: Destination = Destination()


def refuse_dropbox(*asked: Any) -> None:
    """Raise where somebody still asks for Dropbox."""
    if any(one is not None for one in asked):
        raise Refused(410, "deprecated_dropbox", "Dropbox is not supported any more: use S3, Google Drive or the link.")


def named_after(source: str, container: str) -> str:
    """What the result of a source of that name is called."""
    return f"{PurePosixPath(source).stem or 'output'}.{container}"


def result_paths(paths: list[str], container: str) -> list[str]:
    """Paths of the results of a folder's files: with the container's suffix, and no two alike.

    `a.mov` and `a.avi` beside each other become `a.mov.mp4` and `a.avi.mp4`.
    """
    short = [str(PurePosixPath(path).with_suffix(f".{container}")) for path in paths]
    return [name if short.count(name) == 1 else f"{path}.{container}" for name, path in zip(short, paths, strict=True)]
