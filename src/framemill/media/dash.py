"""The DASH manifest, written by a library from what was segmented (ISO/IEC 23009-1)."""

import itertools
import math
from fractions import Fraction

from mpegdash.nodes import (
    MPEGDASH,
    URL,
    AdaptationSet,
    BaseURL,
    Descriptor,
    Period,
    Representation,
    S,
    SegmentBase,
    SegmentTemplate,
    SegmentTimeline,
)
from mpegdash.parser import MPEGDASHParser

from framemill.media.listing import Heard, Listed, Subtitle, Variant
from framemill.media.playlists import bandwidth
from framemill.media.segments import Segments
from framemill.media.webvtt import TEXT_FILE

_LIVE, _ON_DEMAND = "urn:mpeg:dash:profile:isoff-live:2011", "urn:mpeg:dash:profile:isoff-on-demand:2011"
_ROLE = "urn:mpeg:dash:role:2011"
_CHANNELS = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
# ISO/IEC 23091-3: the configuration of so many loudspeakers, as AAC counts them.
_CONFIGURATIONS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 8: 12}
# ISO/IEC 23091-2: the transfer characteristics of the two that are not standard.
_TRANSFER = "urn:mpeg:mpegB:cicp:TransferCharacteristics"
_TRANSFERS = {"PQ": "16", "HLG": "18"}


def dash_manifest(listed: Listed) -> str:
    """The static manifest of a finished package. It holds no time of day: the same tracks give the same bytes."""
    tracks = [track.segments for track in listed.tracks]
    mpd = MPEGDASH()
    mpd.xmlns = "urn:mpeg:dash:schema:mpd:2011"
    mpd.profiles = _ON_DEMAND if any(segments.offsets for segments in tracks) else _LIVE
    mpd.type = "static"
    mpd.media_presentation_duration = _duration(listed.seconds)
    longest = max((duration for segments in tracks for duration in segments.durations), default=1.0)
    mpd.min_buffer_time = _duration(math.ceil(longest))
    period = Period()
    period.id, period.start = "0", "PT0S"
    period.adaptation_sets = []
    if listed.videos:
        period.adaptation_sets.append(_pictures(listed.videos))
    period.adaptation_sets += [_sound(heard) for heard in listed.sounds]
    period.adaptation_sets += [_text(text, listed.seconds) for text in listed.subtitles]
    for number, one in enumerate(period.adaptation_sets):
        one.id = number
    mpd.periods = [period]
    return str(MPEGDASHParser.get_as_doc(mpd).toprettyxml(indent="  ", encoding="utf-8").decode())


def _pictures(videos: list[Variant]) -> AdaptationSet:
    one = AdaptationSet()
    one.content_type, one.mime_type = "video", "video/mp4"
    one.segment_alignment, one.subsegment_alignment = "true", None
    one.start_with_sap = 1
    one.max_width = max(video.width for video in videos)
    one.max_height = max(video.height for video in videos)
    transfer = _TRANSFERS.get(videos[0].segments.kind.range)
    if transfer is not None:
        one.essential_properties = [_descriptor(_TRANSFER, transfer)]
    one.representations = []
    for video in videos:
        shown = _representation(video.folder, video.segments)
        shown.width, shown.height = video.width, video.height
        shown.frame_rate = _rate(video.rate) if video.rate else None
        one.representations.append(shown)
    return one


def _sound(heard: Heard) -> AdaptationSet:
    one = AdaptationSet()
    one.content_type, one.mime_type = "audio", "audio/mp4"
    one.segment_alignment, one.start_with_sap = "true", 1
    one.lang = heard.language or None
    one.roles = [_descriptor(_ROLE, "main" if heard.default else "alternate")]
    spoken = _representation(heard.folder, heard.segments)
    spoken.audio_sampling_rate = str(heard.segments.kind.sample_rate) if heard.segments.kind.sample_rate else None
    if heard.segments.kind.channels in _CONFIGURATIONS:
        spoken.audio_channel_configurations = [
            _descriptor(_CHANNELS, str(_CONFIGURATIONS[heard.segments.kind.channels]))
        ]
    one.representations = [spoken]
    return one


def _text(text: Subtitle, seconds: float) -> AdaptationSet:
    one = AdaptationSet()
    one.content_type, one.mime_type = "text", "text/vtt"
    one.lang = text.language or None
    one.roles = [_descriptor(_ROLE, "subtitle")]
    file = Representation()
    file.id, file.bandwidth = text.folder, math.ceil(8 * text.size / max(seconds, 1))
    file.base_urls = [_base_url(f"{text.folder}/{TEXT_FILE}")]
    one.representations = [file]
    return one


def _representation(folder: str, segments: Segments) -> Representation:
    one = Representation()
    one.id, one.codecs, one.bandwidth = folder, segments.codecs, bandwidth(segments)[0]
    if segments.index is not None:
        first, size = segments.index
        one.base_urls = [_base_url(f"{folder}/{segments.names[0]}")]
        base = SegmentBase()
        base.timescale, base.index_range = segments.scale, _range(first, size)
        init = URL()
        init.range = _range(0, segments.init_size)
        base.initializations = [init]
        one.segment_bases = [base]
        return one
    template = SegmentTemplate()
    template.timescale, template.start_number = segments.scale, 0
    template.initialization, template.media = "$RepresentationID$/init.mp4", "$RepresentationID$/$Number%05d$.m4s"
    template.segment_timelines = [_timeline(segments)]
    one.segment_templates = [template]
    return one


def _timeline(segments: Segments) -> SegmentTimeline:
    """Equal neighbours are told once."""
    timeline = SegmentTimeline()
    timeline.Ss = []
    lengths = (after - before for before, after in itertools.pairwise(segments.bounds))
    for length, some in itertools.groupby(lengths):
        row = S()
        row.t = segments.bounds[0] if not timeline.Ss else None
        row.d, repeats = length, sum(1 for _ in some) - 1
        row.r = repeats or None
        timeline.Ss.append(row)
    return timeline


def _base_url(path: str) -> BaseURL:
    url = BaseURL()
    url.base_url_value = path
    return url


def _descriptor(scheme: str, value: str) -> Descriptor:
    one = Descriptor()
    one.scheme_id_uri, one.value = scheme, value
    return one


def _range(first: int, size: int) -> str:
    return f"{first}-{first + size - 1}"


def _duration(seconds: float) -> str:
    return f"PT{seconds:.3f}S" if seconds % 1 else f"PT{seconds:.0f}S"


def _rate(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"
