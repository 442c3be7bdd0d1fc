"""What the environment of the local user says to other programs' own tools."""

import json
import os
from pathlib import Path
from typing import Any

from framemill.errors import WrongUse


def own_credentials() -> dict[str, dict[str, Any]]:
    """What the environment says to the stores' own tools, by kind, in the fields of `storage.access`.

    S3: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html; Google: the path of a key file in
    GOOGLE_APPLICATION_CREDENTIALS; Azure: as its command line reads them. For what runs on behalf of the local user:
    a farm's clients have nothing to do with its environment. Raises `WrongUse` for a key file that cannot be read.
    """
    said: dict[str, dict[str, Any]] = {}
    for kind, needed, variables in _OWN:
        found = {field: value for field, names in variables.items() if (value := _first_set(names))}
        if needed in found:
            said[kind] = found
    if file := os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        try:
            said["gcs"] = {"keyfile": json.loads(Path(file).read_text("utf-8"))}
        except (OSError, ValueError) as error:
            raise WrongUse(
                f"GOOGLE_APPLICATION_CREDENTIALS: {file} is no key file that can be read: {error}."
            ) from None
    return said


_OWN: tuple[tuple[str, str, dict[str, tuple[str, ...]]], ...] = (
    (
        "s3",
        "access_key_id",
        {
            "access_key_id": ("AWS_ACCESS_KEY_ID",),
            "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
            "session_token": ("AWS_SESSION_TOKEN",),
            "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
            "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        },
    ),
    (
        "azure",
        "account",
        {
            "account": ("AZURE_STORAGE_ACCOUNT",),
            "key": ("AZURE_STORAGE_KEY",),
            "sas": ("AZURE_STORAGE_SAS_TOKEN",),
        },
    ),
)


def _first_set(names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := os.environ.get(name))), "")
