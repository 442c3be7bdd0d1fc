"""Which of a source's packets the older containers take as they are."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from framemill.errors import InvalidSetting
from framemill.jobs.settings import Container, OutputSettings

#: By container: codecs of pictures and of sound, as ffmpeg names them, that players of that container know. AVI keeps
#: one order of frames, so nothing that is decoded in another than it is shown.
#: Empty: whatever this ffmpeg puts there.
_TAKES: Mapping[Container, tuple[str, str]] = MappingProxyType(
    {
        "mp4": ("", "aac mp3 mp2 ac3 eac3 opus flac alac dts truehd"),
        "mov": ("", "aac mp3 mp2 ac3 eac3 alac qdm2 pcm"),
        "webm": ("", "opus vorbis"),
        "ts": ("", "aac mp3 mp2 ac3 eac3 opus dts truehd"),
        "mp3": ("", "mp3"),
        "wav": ("", "pcm"),
        "ogg": ("", "vorbis opus flac speex"),
        "flac": ("", "flac"),
        "m4a": ("", "aac alac ac3 eac3"),
        "opus": ("", "opus"),
        "avi": ("mpeg4 msmpeg4v2 msmpeg4v3 mpeg1video mjpeg dvvideo huffyuv ffv1 rawvideo cinepak", "mp3 mp2 ac3 aac"),
        "flv": ("h264 flv1 vp6f", "aac mp3 speex nellymoser"),
        "mpg": ("mpeg1video mpeg2video", "mp2 mp3 ac3"),
        "wmv": ("wmv1 wmv2 wmv3 vc1 msmpeg4v3", "wmav1 wmav2 wmapro"),
        "ogv": ("theora", "vorbis opus flac speex"),
        "3gp": ("h264 mpeg4 h263", "aac amr_nb amr_wb"),
    }
)


def check_copied(settings: OutputSettings, video: Mapping[str, Any] | None, sound: Mapping[str, Any] | None) -> None:
    """Raise `InvalidSetting` where packets are to be copied that the container does not take.

    `video`, `sound`: the facts of the chosen streams, in ffprobe's words; none: there is no such stream.
    """
    takes = _TAKES.get(settings.container)
    if takes is None:
        return
    chosen = (
        ("video_codec", settings.video_codec, video, takes[0]),
        ("audio_codec", settings.audio_codec, sound, takes[1]),
    )
    for field, wanted, facts, known in chosen:
        codec = (facts or {}).get("codec_name", "")
        pcm = codec.startswith("pcm_") and (settings.container == "avi" or "pcm" in known.split())
        if wanted == "copy" and facts is not None and known and codec not in known.split() and not pcm:
            raise InvalidSetting(
                f"{field}: {settings.container} does not take {codec} as it is; it takes {known.replace(' ', ', ')}. "
                "Name a codec to encode it."
            )
