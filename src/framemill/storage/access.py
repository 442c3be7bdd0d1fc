"""What it takes to get into a store: credentials, and where it answers. Kept sealed, shown to nobody."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from framemill.jobs.settings import Value

Secret = Annotated[str, Field(repr=False)]

USUAL_REGION = "us-east-1"
"""Of S3, where nobody names one."""
ANYBODY = "anonymous"
"""Whom FTP servers let in without a password (RFC 1635)."""


class S3Access(Value):
    """Of S3, and of whatever speaks like it. Without a key the bucket is read as anybody may."""

    kind: Literal["s3"] = "s3"
    access_key_id: Secret = ""
    secret_access_key: Secret = ""
    session_token: Secret = ""
    region: str = USUAL_REGION
    endpoint: str = ""
    """URL; empty: Amazon's own for the region."""
    path_style: bool | None = None
    """The bucket in the path instead of the host name; none: where an endpoint is given."""


class GcsAccess(Value):
    """Of Google Cloud Storage. Without a key file the bucket is read as anybody may."""

    kind: Literal["gcs"] = "gcs"
    keyfile: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The JSON of a service account's key."""
    project: str = ""
    endpoint: str = ""


class AzureAccess(Value):
    """Of Azure's blobs: an account with its key, or with a shared access signature."""

    kind: Literal["azure"] = "azure"
    account: str
    key: Secret = ""
    sas: Secret = ""
    endpoint: str = ""


class FtpAccess(Value):
    """Of an FTP server; `ftps://` speaks TLS."""

    kind: Literal["ftp"] = "ftp"
    user: str = ANYBODY
    password: Secret = ""


class SftpAccess(Value):
    """Of an SSH server's files."""

    kind: Literal["sftp"] = "sftp"
    user: str
    password: Secret = ""
    private_key: Secret = ""
    """In OpenSSH's or PEM form."""
    passphrase: Secret = ""
    host_key: str = ""
    """The server's public key, as in a line of known_hosts behind the name; empty: whichever it shows is taken."""


class HttpAccess(Value):
    """Of a web server."""

    kind: Literal["http"] = "http"
    user: str = ""
    password: Secret = ""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    alone: bool = False
    """Nothing is fetched from other servers, whereto this one leads, or what it has."""


class DriveAccess(Value):
    """Of Google Drive: the caller's own token, which the farm cannot renew."""

    kind: Literal["gdrive"] = "gdrive"
    token: Secret
    base_url: str = ""
    """Empty: Google's."""


Access: TypeAlias = Annotated[
    S3Access | GcsAccess | AzureAccess | FtpAccess | SftpAccess | HttpAccess | DriveAccess, Field(discriminator="kind")
]

ACCESS: TypeAdapter[Access] = TypeAdapter(Access)
"""Reads and writes any of them, as JSON: to be sealed."""

KIND_OF = {
    **{"s3": "s3", "gs": "gcs", "az": "azure", "ftp": "ftp", "ftps": "ftp", "sftp": "sftp"},
    **{"http": "http", "https": "http", "gdrive": "gdrive"},
}
"""The kind of access that a URI's scheme takes; a file takes none."""
