"""Files that the farm has already, used as what somebody sends."""

import shutil
from pathlib import Path

from framemill.jobs.uploads import Upload
from framemill.services.uploads import NewUpload, Uploads
from framemill.storage.receiving import Received


def as_upload(uploads: Uploads, file: Path, asked: NewUpload, sha256: str | None = None) -> Upload:
    """A file as an upload of its own, which is there however long that file is. Blocks; raises as `created` does.

    `sha256`: of the file, where it is known.
    """
    made = uploads.created(asked)
    draft = uploads.draft(made.id)
    draft.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.hardlink_to(file)
    except OSError:  # on another file system
        shutil.copyfile(file, draft)
    digests = {} if sha256 is None else {"sha256": sha256}
    return uploads.taken(made.id, Received(draft, draft.stat().st_size, digests))
