"""What becomes of the sound and the texts."""

from typing import Literal, Self

from pydantic import Field, model_validator

from framemill.jobs.encoders.sounds import SOUND_CODECS, misfit_bits, misfit_channels, misfit_rate
from framemill.jobs.settings.kinds import FITTINGS, AudioCodec, Container, usual_audio
from framemill.jobs.settings.value import Value


class SoundSettings(Value):
    """The sound of an output. `container` is declared here since the usual codec follows it."""

    container: Container = "mp4"
    """A file of that kind, or `package`: a folder with HLS and DASH, CMAF segments and one MP4."""
    audio_codec: AudioCodec = Field(default_factory=lambda data: usual_audio(data.get("container", "mp4")))
    """`copy` keeps the source's packets, `none` drops the sound; not said: the container's usual one."""
    audio_bitrate: int | None = Field(default=None, ge=6_000, le=1_536_000)
    """Bits per second, as near as the codec has it; none: 64 kbit/s a channel."""
    audio_channels: int | None = Field(default=None, ge=1, le=8)
    """Mix to that many channels; none: as the source, at most what the codec takes."""
    sample_rate: int | None = Field(default=None, ge=8_000, le=192_000)
    """Samples per second; none: as the source, where the codec takes it."""
    loudness: float | None = Field(default=None, ge=-70, le=-5)
    """Integrated loudness in LUFS (EBU R 128: -23), measured first, then met by one gain."""
    true_peak: float = Field(default=-1.0, ge=-9, le=0)
    """What no sample's true peak goes beyond where `loudness` is set, in dBTP."""
    audio_tracks: Literal["first", "all"] | tuple[int, ...] = "first"
    """Which audio tracks of the source: the first (that it calls its default), all, or those of these ranks."""
    subtitles: Literal["auto", "none"] = "auto"
    """`auto` keeps text subtitles where the container takes them (in mkv also those that are pictures)."""

    @model_validator(mode="after")
    def _sound_fits(self) -> Self:
        """What the codec cannot do, or what nothing would come of, is refused."""
        codec = self.audio_codec
        said = [name for name in _ENCODED if getattr(self, name) is not None]
        if self.loudness is None and self.true_peak != type(self).model_fields["true_peak"].default:
            raise ValueError("true_peak: without loudness nothing becomes louder or quieter (set loudness)")
        if codec in {"copy", "none"}:
            if said:
                raise ValueError(f"{said[0]}: with audio_codec {codec} no sound is encoded")
            return self
        if self.sample_rate is not None and (why := misfit_rate(codec, self.sample_rate)):
            raise ValueError(f"sample_rate: {why}")
        if self.audio_channels is not None and (why := misfit_channels(codec, self.audio_channels)):
            raise ValueError(f"audio_channels: {why}")
        if self.audio_bitrate is not None and SOUND_CODECS[codec].lossless:
            raise ValueError(f"audio_bitrate: {codec} keeps every sample and has no bit rate")
        known = self.sample_rate is not None and self.audio_channels is not None
        if self.audio_bitrate is not None and known:
            why = misfit_bits(codec, self.audio_bitrate, self.sample_rate or 0, self.audio_channels or 0)
            if why:
                raise ValueError(f"audio_bitrate: {why}")
        return self

    @model_validator(mode="after")
    def _tracks_fit(self) -> Self:
        tracks = self.audio_tracks
        if self.audio_codec == "none" and tracks != "first":
            raise ValueError("audio_tracks: with audio_codec none there is no sound")
        if isinstance(tracks, tuple) and (not tracks or min(tracks) < 0 or len(set(tracks)) < len(tracks)):
            raise ValueError("audio_tracks: name each rank once, the first track is 0")
        several = tracks == "all" or (isinstance(tracks, tuple) and len(tracks) > 1)
        if several and FITTINGS[self.container].kind not in {"file", "package"}:
            raise ValueError(f"audio_tracks: {self.container} holds one sound (name one rank)")
        return self


_ENCODED = ("audio_bitrate", "audio_channels", "sample_rate", "loudness")
