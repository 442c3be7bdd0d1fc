"""The words of `/v1` for folders of sources."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from framemill.api.native.access_schemas import Credentials
from framemill.api.native.schemas import NewJob
from framemill.api.native.words import Told
from framemill.api.strict import Text
from framemill.jobs.folders import MOST_FILES


class FolderOfJobs(NewJob):
    """What each file of a folder is made into: a job without `inputs`, and the folder. In `target`, `targets` and
    `name` of outputs stand `{stem}` (`film`), `{name}` (`film.mov`), `{path}` (`2024/film`) and `{number}` (`0001`)."""

    folder: Annotated[Text, Field(min_length=1, max_length=8192)]
    """An absolute path on the farm's machine, or a URI: s3://bucket/prefix/, gs, az, ftp(s), sftp, gdrive://FOLDER."""
    credentials: Credentials | None = None
    """What opens it: the name of credentials in the farm's settings, or these themselves; they are never told again."""
    files: Annotated[tuple[Annotated[Text, Field(min_length=1, max_length=200)], ...], Field(max_length=50)] = ()
    """Patterns: `*.mov` of names, `2024/*.mov` of paths below the folder; none: what its suffix says is media."""
    recursive: bool = True
    """Also what lies in folders below it."""
    max_files: int = Field(default=100, ge=1, le=MOST_FILES)
    """The first so many, in the order of their paths."""

    @model_validator(mode="after")
    def _has_inputs_already(self) -> Self:
        if self.inputs:
            raise ValueError("the files of the folder are the inputs: leave inputs away")
        return self


class FileJob(Told):
    """A file, and its job."""

    uri: str
    """With every secret masked."""
    size_bytes: int | None = None
    job_id: str


class FolderJobs(Told):
    """The jobs that were made, in the order of the files."""

    data: tuple[FileJob, ...]
    more: bool
    """The folder holds more files that fit than were asked for."""
