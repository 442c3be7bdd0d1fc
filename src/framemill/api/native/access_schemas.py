"""The words of `/v1` for what opens a store. They are taken, sealed, and never given back."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag

from framemill.api.native.words import Asked, Told
from framemill.api.strict import Text, storable
from framemill.storage import access


class S3Credentials(Asked, access.S3Access):
    """Of S3, and of whatever speaks like it. Without a key the bucket is read as anybody may."""


class GcsCredentials(Asked, access.GcsAccess):
    """Of Google Cloud Storage: the JSON of a service account's key."""


class AzureCredentials(Asked, access.AzureAccess):
    """Of Azure's blobs: an account with its key, or with a shared access signature."""


class FtpCredentials(Asked, access.FtpAccess):
    """Of an FTP server, where the address does not say them."""


class SftpCredentials(Asked, access.SftpAccess):
    """Of an SSH server's files: a password, or a private key."""


class HttpCredentials(Asked, access.HttpAccess):
    """Of a web server: a user, or headers that are sent along."""


class DriveCredentials(Asked, access.DriveAccess):
    """Of Google Drive: your own token, which the farm cannot renew."""


_KINDS = ("s3", "gcs", "azure", "ftp", "sftp", "http", "gdrive")


def _kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "name"
    found = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return found if found in _KINDS else None


Name = Annotated[Text, Field(min_length=1, max_length=100)]
Credentials: TypeAlias = Annotated[
    Annotated[Name, Tag("name")]
    | Annotated[S3Credentials, Tag("s3")]
    | Annotated[GcsCredentials, Tag("gcs")]
    | Annotated[AzureCredentials, Tag("azure")]
    | Annotated[FtpCredentials, Tag("ftp")]
    | Annotated[SftpCredentials, Tag("sftp")]
    | Annotated[HttpCredentials, Tag("http")]
    | Annotated[DriveCredentials, Tag("gdrive")],
    Discriminator(
        _kind,
        custom_error_type="credentials",
        custom_error_message=f"it is a name, or an object with a kind, one of {', '.join(_KINDS)}",
    ),
    AfterValidator(storable),
]
"""The name of credentials in the farm's settings, or these themselves."""


class ShownCredentials(Told):
    """What opens it, of which nothing is told but the kind."""

    kind: str
