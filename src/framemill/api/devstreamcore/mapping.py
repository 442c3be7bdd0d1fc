"""Between DevStreamCore's words and ours. Pure; whatever may hold a secret is masked on its way out."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from framemill.api.devstreamcore import ids, ladder, play_urls, schemas, standing
from framemill.errors import WrongUse
from framemill.jobs.facts import seconds_of
from framemill.jobs.model import Job
from framemill.jobs.uploads import Upload
from framemill.jobs.videos import Video
from framemill.services.finalizing import Given
from framemill.services.inputs import InputRequest
from framemill.services.originals import landed
from framemill.services.submission import JobRequest
from framemill.services.uploads import GivenPart
from framemill.services.videos import NewVideo, ShownVideo, VideoChanges

WORDS = "video"
"""In an upload's metadata: what was said of the video that it shall become."""

_INGEST = {"upload": "direct_upload", "url": "url", "console": "console"}

# In


def words_of(asked: schemas.Words) -> dict[str, Any]:
    """What is said of a video, to be kept until there is one."""
    return asked.model_dump(include=set(schemas.Words.model_fields))


def given(asked: schemas.Finalize) -> Given:
    """What is said of an upload when it is finalized."""
    parts = [GivenPart(number=one.partNumber, etag=one.etag) for one in asked.parts or ()]
    return Given(size=asked.file_size_bytes, upload_name=asked.upload_id, parts=parts)


def of_upload(upload: Upload, asked: schemas.Finalize, door: str) -> tuple[JobRequest, NewVideo]:
    """What becomes of an upload: what was said when it was announced, and what is said now.

    `door`: what URLs of the door begin with, for who hears of the video later."""
    words = schemas.Words.model_validate(upload.metadata.get(WORDS, {}))
    hints = {
        "file_size_bytes": asked.file_size_bytes,
        "duration": asked.duration_secs,
        "source_width": asked.source_width,
        "source_height": asked.source_height,
        DOOR: door,
    }
    job = _job(InputRequest(upload_id=upload.id), words, hints)
    named = upload.metadata.get(NAMED)
    return job, _new_video(words, origin="upload", upload_id=upload.id, name=named)


NAMED = "named"
"""In an upload's metadata: the file's name, where its sender has told one."""


DOOR = "door"
"""In a job's door_data: what URLs of the door begin with, as its client asked for it."""


def of_url(asked: schemas.NewVideo, door: str) -> tuple[JobRequest, NewVideo]:
    """A video that is fetched; `door` as above. Raises `WrongUse` for what is no address on the web."""
    url = asked.input[0].url
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        error = WrongUse("A video is fetched from http:// or https://: name such a URL.")
        error.param = "inputs.0.uri"
        raise error
    return _job(InputRequest(uri=url), asked, {DOOR: door}), _new_video(asked, origin="url", name=parts.path)


def changes(asked: schemas.VideoChanges) -> VideoChanges:
    """What is to be changed of a video."""
    return VideoChanges.model_validate(asked.said())


def _job(source: InputRequest, words: schemas.Words, hints: Mapping[str, Any]) -> JobRequest:
    return JobRequest(
        inputs=(source,),
        outputs=ladder.outputs(words.quality),
        on_output_error="extras",  # the poster may fail: sound alone has none
        door_data={"quality": words.quality, **hints},
    )


def _new_video(words: schemas.Words, *, origin: Any, name: str | None, upload_id: str | None = None) -> NewVideo:
    return NewVideo(
        origin=origin,
        upload_id=upload_id,
        title=words.title or PurePosixPath(name or "").stem[:255] or None,
        description=words.description,
        passthrough=words.passthrough,
        tags=tuple(words.tags),
        policy=words.playback_policy,
    )


# Out


class Rendition(NamedTuple):
    """A size that a video can be played in."""

    name: str
    """As the package's folders are called."""
    width: int
    height: int
    maxrate: int
    """Bits per second, of its pictures."""
    file: str
    """Its MP4, in the package's root."""


def video(shown: ShownVideo, door: str, progress: int, *, early: bool = False) -> dict[str, Any]:
    """A Video, with all of its keys; `door`: what URLs of the door begin with; `progress`: the furthest told, percent;
    `early`: its HLS plays already, while it is made.

    A playback's own word of who may play comes before what was asked for at first.
    """
    found, job, source = shown.video, shown.job, shown.source
    first = next(iter(shown.playbacks), None)
    policy = found.policy if first is None else first.policy
    play = None if first is None else first.id
    status = standing.status(shown.job)
    facts = _facts(shown)
    playable = is_playable(shown)
    playback = NOTHING
    if play is not None and playable:
        playback = _playback(door, play, renditions(job), gated=policy == "signed")
    elif play is not None and early:
        playback = {**NOTHING, "hls": play_urls.hls(door, play)}
    return {
        "id": ids.video_id(found.id),
        "title": found.title,
        "description": found.description,
        "thumbnail_url": play_urls.thumbnail(door, play) if play and playable and has_poster(job) else None,
        "status": status,
        "progress": progress if status == "ready" else min(progress, standing.MOST_UNREADY),
        "transcode_attempts": job.attempt,
        **facts,
        "source_url": play_urls.source(door, play) if play and source is not None and landed(source) else None,
        "creator_username": found.creator,
        "playback": playback,
        "playback_ids": [
            {"id": ids.playback_id(one.id), "policy": one.policy, "created_at": moment(one.created_at)}
            for one in shown.playbacks
        ],
        "policy": policy,
        "passthrough": found.passthrough,
        "ingest": {"kind": _INGEST[found.origin]},
        "errors": standing.errors(job),
        "view_count": found.view_count,
        "tags": list(found.tags),
        "created_at": moment(found.created_at),
        "updated_at": moment(max(found.updated_at, job.entered_at)),
    }


def page(found: Sequence[ShownVideo], last: Video | None, door: str) -> dict[str, Any]:
    """A part of a list; `last`: the video that the next page begins behind."""
    return {"data": [video(one, door, furthest(one)) for one in found], "next_cursor": cursor(last)}


def furthest(shown: ShownVideo) -> int:
    """Percent: as it is, or as it was told before."""
    before = shown.video.progress if shown.video.progress_attempt == shown.job.attempt else 0
    return max(standing.percent(shown), before)


NOTHING: Mapping[str, Any] = {"hls": None, "dash": None, "mp4": []}
"""Of what cannot be played yet."""


def is_playable(shown: ShownVideo) -> bool:
    """Whether there is something to play: the last attempt's, or that of one before."""
    ready = standing.status(shown.job) == "ready"
    return ready or (shown.job.attempt > 1 and _reported(shown.job, ladder.PACKAGE) is not None)


def has_poster(job: Job) -> bool:
    """Whether there is a picture of it: not of sound alone."""
    return _reported(job, ladder.POSTER) is not None


def renditions(job: Job) -> list[Rendition]:
    """The sizes that the job's package can be played in, best first, by what its report says of it."""
    package = _reported(job, ladder.PACKAGE) or {}
    return [
        Rendition(one["name"], one["width"], one["height"], one["maxrate"], one["progressive"])
        for one in package.get("renditions", ())
        if one.get("progressive") and one.get("maxrate")
    ]


def _reported(job: Job, name: str) -> Mapping[str, Any] | None:
    return next((one for one in (job.report or {}).get("outputs", ()) if one["name"] == name), None)


def _playback(door: str, play: str, sizes: Sequence[Rendition], *, gated: bool) -> dict[str, Any]:
    return {
        "hls": play_urls.hls(door, play),
        "dash": play_urls.dash(door, play),
        "mp4": [
            {
                "height": one.height,
                "url": play_urls.mp4(door, play, one.height),
                "bitrate_kbps": round(one.maxrate / 1000),
                "hls": play_urls.rendition(door, play, one.height) if gated else None,
            }
            for one in sizes
        ],
    }


def _facts(shown: ShownVideo) -> dict[str, Any]:
    """What is known of the original: as it was read; until then what its sender has said."""
    hints, source = shown.job.door_data, shown.source
    told = None if source is None else source.facts
    size = hints.get("file_size_bytes") if source is None or source.size is None else source.size
    if told is None:
        said = {name: hints.get(name) for name in ("duration", "source_width", "source_height")}
        return {**said, "file_size_bytes": size, "video_codec": None, "fps": None}
    pictures: Mapping[str, Any] = next((one for one in told.get("streams", ()) if _is_film(one)), {})
    return {
        "duration": seconds_of(told),
        "file_size_bytes": size,
        "video_codec": pictures.get("codec_name"),
        "fps": _rate(pictures.get("avg_frame_rate")) or _rate(pictures.get("r_frame_rate")),
        "source_width": pictures.get("width"),
        "source_height": pictures.get("height"),
    }


def _is_film(stream: Mapping[str, Any]) -> bool:
    """Not the cover of a song."""
    return stream.get("codec_type") == "video" and not stream.get("disposition", {}).get("attached_pic")


def _rate(said: str | None) -> float | None:
    try:
        return round(float(Fraction(said or "0")), 3) or None
    except (ValueError, ZeroDivisionError):
        return None


def moment(at: datetime) -> str:
    """A time as it is written: in UTC, to the microsecond, which cursors and orders are by."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def cursor(last: Video | None) -> str | None:
    """Where the next page begins; none: there is none."""
    return None if last is None else f"{moment(last.created_at)}|{ids.video_id(last.id)}"


def behind(said: str) -> tuple[datetime, str]:
    """What a cursor says. Raises `WrongUse`."""
    at, bar, theirs = said.partition("|")
    try:
        read = datetime.fromisoformat(at)
        if bar and read.tzinfo is not None:
            return read.astimezone(UTC), ids.video_of(theirs)
    except (ValueError, OverflowError, WrongUse):  # a time before the first, or behind the last
        pass
    error = WrongUse("This is no cursor: send `next_cursor` of the page before, with its characters percent-encoded.")
    error.param = "cursor"
    raise error
