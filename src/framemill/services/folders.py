"""Folders of sources: each file of one becomes a job."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote

from framemill.errors import SourceMissing, WrongUse
from framemill.jobs.settings import Value
from framemill.services.callers import Caller
from framemill.services.desk import Desk, way_of
from framemill.services.fields import about
from framemill.services.inputs import InputRequest
from framemill.services.parts import OutputRequest
from framemill.services.paths import open_source
from framemill.services.submission import JobRequest
from framemill.storage.access import Access
from framemill.storage.address import address_of, is_remote
from framemill.storage.base import Stat
from framemill.storage.blame import as_source
from framemill.storage.opening import Patience, opened

MEDIA = (
    *("3gp", "avi", "flac", "flv", "m2ts", "m2v", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "mts"),
    *("mxf", "ogg", "ogv", "opus", "ts", "vob", "wav", "webm", "wmv"),
)
"""Suffixes of what is taken for a source where nobody says which files are."""
_MOST_SEEN = 100_000
"""Entries that are looked through for as many files as are wanted."""
_PATIENCE = Patience(silence_seconds=15.0, retries=2)


class FolderRequest(Value):
    """A folder as a client names it, and what is made of each of its files."""

    folder: str
    """A URI, or an absolute path on the farm's machine."""
    credentials: str | Access | None = None
    files: tuple[str, ...] = ()
    """Patterns of names (`*.mov`), or of paths below the folder where they hold a slash; empty: those of media."""
    recursive: bool = True
    max_files: int = 100
    job: JobRequest
    """What each is made into; in targets and names of outputs stand `{stem}`, `{name}`, `{path}` and `{number}`."""


class Listed(NamedTuple):
    """Files of a folder."""

    files: Sequence["File"]
    more: bool
    """There were more than were asked for."""


class File(NamedTuple):
    """A file of a folder."""

    uri: str
    """With its secrets."""
    path: str
    """Below the folder."""
    size: int | None
    """Bytes, where the store says that."""


def listed(request: FolderRequest, caller: Caller, desk: Desk) -> Listed:
    """The files of a folder that are wanted, in the order of their paths. It blocks while the store is asked.

    Raises `WrongUse` about the field that cannot be, and `SourceError`'s kinds: `SourceMissing` where there is none.
    """
    with about("folder"):
        folder = _as_folder(open_source(request.folder, caller, desk))
        address = address_of(folder)
        if address.scheme in {"http", "https"}:
            raise WrongUse("Web servers do not tell what is in a folder: name the files, as jobs of a batch.")
    with about("folder" if request.credentials is None else "credentials"):
        way = way_of(folder, request.credentials, caller.account, desk)
    with about("folder"), as_source(way, desk.keyring):
        entrance = desk.keyring.entrance(way)
        patience = (entrance.address, entrance.access, entrance.reach, _PATIENCE)
        with contextlib.closing(opened(*patience)) as storage:
            seen = itertools.islice(storage.list(entrance.address.path), _MOST_SEEN)
            found = list(itertools.islice(_wanted(seen, address.path, request), request.max_files + 1))
        if not found:
            patterns = ", ".join(request.files) or "a source by their suffix"
            raise SourceMissing(f"{way.uri} holds no files that are {patterns}.")
    files = [File(uri_in(folder, one.path), one.path.removeprefix(address.path), one.size) for one in found]
    return Listed(files[: request.max_files], len(files) > request.max_files)


def jobs_of(request: FolderRequest, files: Sequence[File]) -> list[JobRequest]:
    """A job for each file. Raises `WrongUse` where two of them would be put at one place."""
    made = [_job(request, file, number) for number, file in enumerate(files, 1)]
    for rank in range(len(request.job.outputs)):
        targets = [target for job in made for target in _targets(job.outputs[rank])]
        if len(set(targets)) < len(targets):
            with about(f"outputs.{rank}.target"):
                raise WrongUse(
                    "Several files would be put at one place: write {stem}, {path} or {number} into the target."
                )
    return made


def _wanted(seen: Iterator[Stat], root: str, request: FolderRequest) -> Iterator[Stat]:
    patterns = request.files or tuple(f"*.{suffix}" for suffix in MEDIA)
    for one in seen:
        path = one.path.removeprefix(root)
        name = PurePosixPath(path).name
        deep = "/" in path and not request.recursive
        if path.endswith("/") or name.startswith(".") or one.size == 0 or deep:
            continue
        if any(fnmatchcase((path if "/" in each else name).lower(), each.lower()) for each in patterns):
            yield one


def _as_folder(uri: str) -> str:
    """With the slash at its end; an id of Drive's has none."""
    return uri if uri.endswith("/") or uri.lower().startswith("gdrive://") else f"{uri}/"


def uri_in(folder: str, path: str) -> str:
    """The URI of a file in the folder, with whatever secrets the folder's has; `path` is that of its store."""
    if not is_remote(folder):
        return path
    scheme, _, rest = folder.partition("://")
    written = quote(path) if scheme.lower() in {"ftp", "ftps", "sftp"} else path
    return f"{scheme}://{rest.partition('/')[0]}/{written}"


def _job(request: FolderRequest, file: File, number: int) -> JobRequest:
    path = PurePosixPath(file.path)
    words = {
        "{stem}": path.stem,
        "{name}": path.name,
        "{path}": str(path.with_suffix("")),
        "{number}": f"{number:04d}",
    }
    source = InputRequest(uri=file.uri, credentials=request.credentials, filename=path.name)
    outputs = tuple(_filled(output, words) for output in request.job.outputs)
    return request.job.model_copy(update={"inputs": (source,), "outputs": outputs})


def _filled(output: OutputRequest, words: dict[str, str]) -> OutputRequest:
    changed: dict[str, Any] = {
        name: None if getattr(output, name) is None else _fill(getattr(output, name), words)
        for name in ("target", "name")
    }
    targets = [target.model_copy(update={"uri": _fill(target.uri, words)}) for target in output.targets]
    return output.model_copy(update={**changed, "targets": tuple(targets)})


def _fill(pattern: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        pattern = pattern.replace(word, value)
    return pattern


def _targets(output: OutputRequest) -> list[str]:
    return [*([] if output.target is None else [output.target]), *(target.uri for target in output.targets)]
