"""How a film is made that somebody wishes for: of what, and with which settings. Pure."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from framemill.api.optimized.items import Film
from framemill.api.optimized.wishes import Wish
from framemill.errors import InvalidSetting
from framemill.jobs.settings import Container, OutputSettings
from framemill.jobs.settings.kinds import FITTINGS, AudioCodec, VideoCodec, usual_audio, usual_video
from framemill.media.copying import check_copied

Mode: TypeAlias = Literal["auto", "offload", "plain"]

_EXTENSIONS: dict[str, Container] = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "mkv", "webm": "webm"}
_VIDEO: dict[str, VideoCodec] = {
    "h264": "h264", "avc": "h264", "hevc": "h265", "h265": "h265", "av1": "av1", "vp9": "vp9",
}  # fmt: skip
_NO_MP4 = frozenset({"vp8", "theora", "wmv1", "wmv2", "wmv3", "msmpeg4v2", "msmpeg4v3", "rv30", "rv40", "vp6f", "flv1"})
"""What ffmpeg's MP4 muxer has no tag for."""
_WEBM = frozenset({"vp8", "vp9", "av1"})

_ROUND_PICTURES = frozenset(
    {"containernotsupported", "subtitlecodecnotsupported", "streamcountexceedslimit", "audioisexternal"}
    | {"audiocodecnotsupported", "audiobitratenotsupported", "audiochannelsnotsupported", "audioprofilenotsupported"}
    | {"audiosampleratenotsupported", "audiobitdepthnotsupported", "secondaryaudionotsupported"}
    | {"unknownaudiostreaminfo"}
)
"""Reasons to encode that are none to encode the pictures (https://github.com/jellyfin/jellyfin,
MediaBrowser.Model/Session/TranscodeReason.cs)."""
_ROUND_ALL = frozenset({"containernotsupported", "subtitlecodecnotsupported", "streamcountexceedslimit"})
_ROUND_NOTHING = frozenset({"directplayerror"})
"""A reason that says nothing of the film."""

_LEAST_RATE, _MOST_RATE, _MOST_SOUND, _LEAST_SOUND = 8_000, 1_000_000_000, 1_536_000, 6_000
_SIDES = (16, 16384)
_MOST_FRAMES = 300
"""A second; who allows more asks for no limit."""
_SURROUND = frozenset({"aac", "opus", "flac", "ac3"})
_MOST_CHANNELS = 6


def extension_of(asked: Any) -> str:
    """What the file is to end in; what is none of ours becomes an MP4."""
    said = asked.lower().lstrip(".") if isinstance(asked, str) else ""
    return said if said in _EXTENSIONS else "mp4"


def wants_original(wish: Wish, film: Film, mode: Mode) -> bool:
    """Whether the original is to be fetched, where it can be had, instead of what the media server makes of it."""
    if wish.is_original or mode == "plain":
        return False
    return mode == "offload" or not _beyond_us(wish, film)


def settings_of(wish: Wish, film: Film, extension: str, *, original: bool) -> dict[str, Any]:
    """Of the output. `original`: of the film's own file; else of what the URL leads to, which is put into its container
    as it is, where that takes it."""
    container = _EXTENSIONS[extension]
    asked = original and not wish.is_original
    reasons = set(wish.words("transcodereasons"))
    same_pictures = (
        not asked
        or not wish.words("videocodec")
        or (bool(reasons) and reasons <= _ROUND_PICTURES)
        or (reasons <= _ROUND_NOTHING and _are_as_asked(wish, film))
    )
    same_sound = not asked or not wish.words("audiocodec") or (bool(reasons) and reasons <= _ROUND_ALL)
    burns = _burnt(wish, film) if asked else None
    settings: dict[str, Any] = {}
    if same_pictures and burns is None and _carries_pictures(container, _pictures_of(wish, film, original)):
        settings |= {"video_codec": "copy"}
    else:
        settings |= _pictures(wish, container) if asked else {"video_codec": usual_video(container)}
    if same_sound and _carries_sound(container, _sound_of(wish, film, original)):
        settings |= {"audio_codec": "copy"}
    else:
        settings |= _sound(wish, film, container) if asked else {"audio_codec": usual_audio(container)}
    if original or wish.is_original:
        settings |= _tracks(wish, film)
    if burns is not None:
        settings |= {"burn_subtitles": str(burns), "subtitles": "none"}
    return settings


def about_bytes(wish: Wish, film: Film) -> int | None:
    """How many bytes the media server will send, about; none: nobody can tell."""
    video, sound = wish.number("videobitrate"), wish.number("audiobitrate") or 0.0
    if film.seconds is not None and video is not None:
        rate = min(video + sound, film.bitrate) if film.bitrate else video + sound
        return int(film.seconds * rate / 8)
    return film.size


def _beyond_us(wish: Wish, film: Film) -> bool:
    """Whether it takes what is not in the original, or pictures of subtitles drawn into the film; or the original is a
    disc, which is no single file.

    Texts of their own are no such thing where the media server, too, sends them beside its stream (`Hls`, `External`).
    """
    sound = film.track("Audio", _index(wish, "audiostreamindex"))
    text = film.track("Subtitle", _index(wish, "subtitlestreamindex"))
    drawn = _is_burnt(wish) and (text is None or text.external or not text.text)
    embedded = wish.said.get("subtitlemethod", "").lower() == "embed" and text is not None and text.external
    return film.disc or drawn or embedded or (sound is not None and sound.external)


def _is_burnt(wish: Wish) -> bool:
    return wish.said.get("subtitlemethod", "").lower() == "encode" and _index(wish, "subtitlestreamindex") is not None


def _burnt(wish: Wish, film: Film) -> int | None:
    """Rank of the text that is to be drawn into the pictures."""
    text = film.track("Subtitle", _index(wish, "subtitlestreamindex")) if _is_burnt(wish) else None
    texts = [one for one in film.inside("Subtitle") if one.text]
    return texts.index(text) if text is not None and text in texts else None


def _tracks(wish: Wish, film: Film) -> dict[str, Any]:
    index = _index(wish, "audiostreamindex")
    inside = film.inside("Audio")
    if index is None:
        return {}
    known = film.track("Audio", index)
    if known is not None and known in inside:
        return {"audio_tracks": [inside.index(known)]}
    return {} if inside else {"audio_tracks": [max(0, index - 1)]}  # nearly every film has its pictures first


def _index(wish: Wish, name: str) -> int | None:
    text = wish.said.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 4 else None  # noqa: PLR2004 - no film has a thousand


def _pictures_of(wish: Wish, film: Film, original: bool) -> str:
    """The codec of what will be fetched, as far as it is known."""
    if original or wish.is_original or not wish.words("videocodec"):
        inside = film.inside("Video")
        return inside[0].codec if inside else ""
    return wish.words("videocodec")[0]


def _sound_of(wish: Wish, film: Film, original: bool) -> str:
    if original or wish.is_original or not wish.words("audiocodec"):
        chosen = film.track("Audio", _index(wish, "audiostreamindex")) or next(iter(film.inside("Audio")), None)
        return chosen.codec if chosen is not None else ""
    return wish.words("audiocodec")[0]


def _are_as_asked(wish: Wish, film: Film) -> bool:
    """Whether the original's pictures are what the URL allows; what nobody knows of them is not."""
    pictures = next(iter(film.inside("Video")), None)
    if pictures is None:
        return False
    limits = (
        (pictures.bitrate or film.bitrate, wish.number("videobitrate")),
        (pictures.width, wish.number("maxwidth", "width")),
        (pictures.height, wish.number("maxheight", "height")),
        (pictures.frames, wish.number("maxframerate", "framerate")),
    )
    wanted = {_VIDEO.get(word, word) for word in wish.words("videocodec")}
    within = all(most is None or (there is not None and there <= most) for there, most in limits)
    return within and _VIDEO.get(pictures.codec, pictures.codec) in wanted


def _carries_pictures(container: Container, codec: str) -> bool:
    if container == "webm":
        return codec in _WEBM
    return container == "mkv" or codec not in _NO_MP4


def _carries_sound(container: Container, codec: str) -> bool:
    if not codec:
        return container != "webm"
    settings = OutputSettings.model_validate({"container": container, "video_codec": "copy", "audio_codec": "copy"})
    try:
        check_copied(settings, None, {"codec_name": codec})
    except InvalidSetting:
        return False
    return True


def _pictures(wish: Wish, container: Container) -> dict[str, Any]:
    """At most as many bits and pixels as the URL asks for: that is how the media server reads it."""
    fitting = FITTINGS[container].video
    wanted = [_VIDEO[word] for word in wish.words("videocodec") if word in _VIDEO]
    codec = next((one for one in wanted if one in fitting), usual_video(container))
    settings: dict[str, Any] = {"video_codec": codec}
    rate = wish.number("videobitrate")
    if rate is not None:
        most = int(min(max(rate, _LEAST_RATE), _MOST_RATE))
        if codec in {"h264", "h265"}:
            settings |= {"maxrate": most, "bufsize": 2 * most}
        else:  # their encoders keep to a maximum within one encode only, and this one is cut into chunks
            settings |= {"bitrate": most, "passes": 2}
    for side, names in (("width", ("maxwidth", "width")), ("height", ("maxheight", "height"))):
        pixels = wish.number(*names)
        if pixels is not None:
            settings[side] = int(min(max(pixels, _SIDES[0]), _SIDES[1]))
    frames = wish.number("maxframerate", "framerate")
    if frames is not None and 1 <= frames <= _MOST_FRAMES:
        settings |= {"fps": f"{frames:g}", "fps_mode": "cap"}
    return settings


def _sound(wish: Wish, film: Film, container: Container) -> dict[str, Any]:
    fitting = FITTINGS[container].audio
    wanted: Sequence[AudioCodec] = [codec for word in wish.words("audiocodec") for codec in fitting if word == codec]
    codec = next(iter(wanted), usual_audio(container))
    settings: dict[str, Any] = {"audio_codec": codec}
    rate = wish.number("audiobitrate")
    if rate is not None and codec not in {"flac", "alac", "pcm"}:
        settings["audio_bitrate"] = int(min(max(rate, _LEAST_SOUND), _MOST_SOUND))
    most = wish.number("transcodingmaxaudiochannels", "maxaudiochannels", "audiochannels")
    source = film.track("Audio", _index(wish, "audiostreamindex")) or next(iter(film.inside("Audio")), None)
    there = source.channels if source is not None else None
    if most is not None and (there is None or there > most):
        settings["audio_channels"] = max(1, min(int(most), _MOST_CHANNELS if codec in _SURROUND else 2))
    return settings
