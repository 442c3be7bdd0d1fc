"""What the stitcher does for a package: segments of every track, the manifests that name them, and the gate."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from framemill.farm.draft import CHILD_SECONDS, Draft
from framemill.jobs.settings import OutputSettings
from framemill.media.dash import dash_manifest
from framemill.media.layout import Layout, layout
from framemill.media.listing import MANIFEST, Heard, Listed, Subtitle, Variant, distinct_names, language_tag, numbered
from framemill.media.manifests import CHECK, CheckRequest
from framemill.media.package import SEGMENT, SegmentForm, SegmentRequest, decode_delay
from framemill.media.playlists import IFRAMES, MASTER, PLAYLIST, iframe_playlist, master_playlist, media_playlist
from framemill.media.segments import Segments
from framemill.media.stitch import SoundTrack, VideoTrack
from framemill.media.transport import ts_origin
from framemill.media.verify import VerifyRequest
from framemill.media.webvtt import TextTrack, write_text

SOUND = "audio"
"""Folder of a package's first sound."""
TEXT = "subtitles"
"""Folder of its first text track."""


def segment_form(settings: OutputSettings, spans: int, delay_seconds: Fraction) -> SegmentForm:
    """What the segments of all tracks of a package are. `spans`: how many there are of each, at most."""
    return SegmentForm(
        kind=settings.segments,
        one_file=settings.segment_files == "ranges",
        room=spans,
        origin=ts_origin(delay_seconds) if settings.segments == "ts" else 0,
    )


def named_texts(texts: Sequence[SoundTrack]) -> list[TextTrack]:
    """Text tracks as a package names them."""
    tags = [language_tag(text.language) for text in texts]
    names = distinct_names([(text.name, tag) for text, tag in zip(texts, tags, strict=True)], "subtitles")
    return [
        TextTrack(
            folder=numbered(TEXT, number),
            path=text.path,
            offset=text.offset,
            name=name,
            language=tag,
            default=bool(text.default),
        )
        for number, (text, name, tag) in enumerate(zip(texts, names, tags, strict=True))
    ]


def named_sounds(sounds: Sequence[SoundTrack]) -> list[Heard]:
    """Sounds as a package names them, before they are cut. One of them is what players choose by themselves."""
    tags = [language_tag(sound.language) for sound in sounds]
    names = distinct_names([(sound.name, tag) for sound, tag in zip(sounds, tags, strict=True)], "main")
    chosen = next((number for number, sound in enumerate(sounds) if sound.default), 0)
    nothing = Segments(names=[], durations=[], sizes=[], codecs="")
    return [
        Heard(folder=numbered(SOUND, number), segments=nothing, name=name, language=tag, default=number == chosen)
        for number, (name, tag) in enumerate(zip(names, tags, strict=True))
    ]


async def write_package(
    draft: Draft, videos: Sequence[VideoTrack], sounds: Sequence[SoundTrack], texts: Sequence[SoundTrack]
) -> dict[str, Any]:
    """Write the segments and manifests of a package, and read them back; what was found."""
    settings, film = draft.title.settings, draft.title.film
    shown = layout(draft.title, heard=bool(sounds)) if film is not None else None
    delays = [decode_delay(video.times, video.reorder) for video in videos]
    delay = max((ticks * video.time_base for ticks, video in zip(delays, videos, strict=True)), default=Fraction(0))
    starts = list(film.plan.segments) if film is not None else []
    one = _Package(draft, segment_form(settings, len(starts), delay), shown)
    listed = Listed(iframes=settings.iframes and bool(videos))
    with draft.stage("package"):
        for video, picture, ticks in zip(videos, film.pictures if film is not None else (), delays, strict=True):
            segments = await one.pictures(picture.name, video, starts, ticks)
            size = {"width": picture.width, "height": picture.height}
            listed.videos.append(Variant(folder=picture.name, segments=segments, rate=one.rate, **size))
        for heard, sound in zip(named_sounds(sounds), sounds, strict=True):
            listed.sounds.append(heard.model_copy(update={"segments": await one.sound(heard.folder, sound)}))
        listed.seconds = _seconds(listed)
        await asyncio.to_thread(one.write, listed, named_texts(texts))
    playlists = {}
    for number, (video, variant) in enumerate(zip(videos, listed.videos, strict=True)):
        wanted = VerifyRequest(
            path=one.playlist(variant.folder), video=video, segment_starts=starts, player=draft.player(number),
            origin=Fraction(one.form.origin),
        )  # fmt: skip
        playlists[variant.folder] = await draft.gate(wanted)
    for heard, sound in zip(listed.sounds, sounds, strict=True):
        playlists[heard.folder] = await draft.gate(
            VerifyRequest(path=one.playlist(heard.folder), sounds=[sound], origin=Fraction(one.form.origin))
        )
    with draft.stage("verify"):
        found = await CHECK(
            CheckRequest(folder=str(draft.folder), listed=listed, manifests=settings.manifests), timeout=CHILD_SECONDS
        )
    if "hls" not in settings.manifests:  # they have served the gate
        await asyncio.to_thread(_forget_playlists, draft.folder)
    return {"segments": len(starts), "playlists": playlists, "manifests": found.named}


def _seconds(listed: Listed) -> float:
    tracks = [track.segments for track in listed.tracks]
    return max((segments.bounds[-1] / segments.scale for segments in tracks if segments.bounds), default=0.0)


def _forget_playlists(folder: Path) -> None:
    for path in folder.rglob(PLAYLIST):
        path.unlink()


@dataclass(frozen=True, slots=True)
class _Package:
    """A package on its way into its folder."""

    draft: Draft
    form: SegmentForm
    shown: Layout | None
    """None: it has no pictures."""

    @property
    def rate(self) -> Fraction:
        """Most frames a second."""
        return self.shown.rate if self.shown is not None else Fraction(0)

    def playlist(self, folder: str) -> str:
        """Where the playlist of a track is."""
        return str(self.draft.folder / folder / PLAYLIST)

    async def pictures(self, name: str, video: VideoTrack, starts: list[int], delay: int) -> Segments:
        """Cut a rendition."""
        request = SegmentRequest(folder="", form=self.form, video=video, starts=starts, delay=delay)
        return await self._cut(name, request, self.shown.target if self.shown is not None else 1)

    async def sound(self, name: str, sound: SoundTrack) -> Segments:
        """Cut a sound where the pictures are cut; without pictures, evenly."""
        length = self.draft.title.settings.segment_seconds if self.shown is None else 0
        cuts = self.shown.cuts if self.shown is not None else []
        request = SegmentRequest(folder="", form=self.form, audio=sound, cuts=cuts, segment_seconds=length)
        return await self._cut(name, request, self.shown.sound_target if self.shown is not None else 1)

    async def _cut(self, name: str, request: SegmentRequest, target: int) -> Segments:
        folder = self.draft.folder / name
        await asyncio.to_thread(folder.mkdir)
        segments = await SEGMENT(request.model_copy(update={"folder": str(folder)}), timeout=CHILD_SECONDS)
        await asyncio.to_thread((folder / PLAYLIST).write_text, media_playlist(segments, target=target))
        return segments

    def write(self, listed: Listed, texts: Sequence[TextTrack]) -> None:
        """Everything that names the segments, and the texts; these are added to `listed`."""
        folder, manifests = self.draft.folder, self.draft.title.settings.manifests
        seconds = self.shown.seconds if self.shown is not None else listed.seconds
        for text in texts:
            size = write_text(folder, text, seconds, self.form.origin, hls="hls" in manifests)
            one = Subtitle(folder=text.folder, name=text.name, language=text.language, default=text.default, size=size)
            listed.subtitles.append(one)
        if "dash" in manifests:
            (folder / MANIFEST).write_text(dash_manifest(listed))
        if "hls" not in manifests:
            return
        for video in listed.videos if listed.iframes else []:
            target = self.shown.target if self.shown is not None else 1
            (folder / video.folder / IFRAMES).write_text(iframe_playlist(video.segments, target=target))
        (folder / MASTER).write_text(master_playlist(listed))
