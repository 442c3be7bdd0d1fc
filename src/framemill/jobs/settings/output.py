"""What one output shall be: all of its fields, and which of them go together."""

from typing import Self

from pydantic import model_validator

from framemill.jobs.encoders.table import JUDGED, misfit, misfit_key
from framemill.jobs.settings.kinds import FITTINGS, OutputKind, misfit_codec
from framemill.jobs.settings.packaging import PackageSettings
from framemill.jobs.settings.pieces import PieceSettings
from framemill.jobs.settings.rate import RateSettings
from framemill.jobs.settings.shape import ShapeSettings
from framemill.jobs.settings.sound import SoundSettings
from framemill.jobs.settings.stills import StillSettings


class OutputSettings(PieceSettings, StillSettings, PackageSettings, ShapeSettings, RateSettings, SoundSettings):
    """What one output shall be. The words are ffmpeg's where ffmpeg has one."""

    @property
    def kind(self) -> OutputKind:
        """How it is made: pictures in chunks, or by one process."""
        return FITTINGS[self.container].kind

    @property
    def encodes_video(self) -> bool:
        """Whether pictures are encoded, so that their frames must be known."""
        return self.video_codec not in {"copy", "none"}

    @property
    def shows_pictures(self) -> bool:
        """Whether frames are decoded and drawn, as film or as stills."""
        return self.encodes_video or self.kind == "picture"

    @property
    def several(self) -> bool:
        """Whether several files are made, whatever becomes of them."""
        return self.kind == "package" or self.cuts or self.picture in {"thumbnails", "storyboard"}

    @property
    def folder(self) -> bool:
        """Whether the output is a folder of files."""
        return self.several and not self.archive

    @property
    def grows(self) -> bool:
        """Whether it can be played while it is encoded: of the manifests, HLS alone has a playlist that grows."""
        packed = self.archive or self.archive_above is not None
        return self.kind == "package" and "hls" in self.manifests and not packed

    @property
    def targets(self) -> bool:
        """Whether bits per second are asked for, of any rendition."""
        said = self.bitrate is not None or self.bitrate_tier is not None
        return self.encodes_video and (said or any(rung.bitrate for rung in self.ladder))

    @property
    def two_passes(self) -> bool:
        """Whether the title is looked at first, and its bits are shared out over the chunks. A tier asks for it, too:
        it is a word, and leaves the way to us."""
        chunked = self.kind in {"file", "package"}
        return chunked and self.targets and (self.passes == _BOTH or self.bitrate_tier is not None)

    @property
    def undivided(self) -> str:
        """Why the pictures cannot be encoded in chunks; empty where they can."""
        if self.kind == "whole":
            return f"{self.container} is written by one process"
        if self.kind == "picture":
            return "its pictures are drawn by one process"
        if self.denoise != "none":
            return "a denoiser looks back to the first frame"
        if self.targets and not self.two_passes:
            return "a bit rate is shared out over the whole title"
        capped = self.maxrate is not None or any(rung.maxrate for rung in self.ladder)
        ahead = int(self.encoder_options.get("rc-lookahead", LEAST_LOOKAHEAD))
        if not capped or (self.video_codec in _BUFFERED and ahead >= LEAST_LOOKAHEAD):
            return ""
        what = f"the {self.video_codec} encoder"
        if self.video_codec in _BUFFERED:
            what = "an encoder that does not look ahead"
        return f"{what} keeps to its maximum within one encode only"

    def within(self, start: float | None, end: float | None) -> Self:
        """The same of that part of a source, in seconds from its first picture; what an output says itself stays."""
        if self.clipped or (start is None and end is None):
            return self
        return self.model_copy(update={"start": start, "end": end})

    @property
    def unjoinable(self) -> str:
        """Why several inputs cannot be joined into such an output; empty where they can."""
        if self.kind in {"whole", "picture"}:
            return f"a {self.container} is made of one input"
        if "copy" in {self.video_codec, self.audio_codec}:
            return "what is copied keeps each input's own shape (set video_codec and audio_codec)"
        if self.clipped or self.cuts:
            return "start, end, duration and cuts belong to an input (set start and end of each)"
        if self.burn_subtitles is not None or any(one.start or one.end for one in self.overlays):
            return "subtitles and timed overlays are drawn by the time of one input"
        if self.audio_tracks != "first":
            return "of each input the first sound is taken (set audio_tracks)"
        return ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.qp is not None and self.video_codec not in {"h264", "h265"}:
            raise ValueError(f"qp is for h264 and h265; set crf for {self.video_codec}")
        if self.kind != "picture" and self.video_codec == "none" and self.audio_codec == "none":
            raise ValueError("nothing is left of the source: video_codec and audio_codec are both none")
        if why := misfit_codec(self.container, self.video_codec, self.audio_codec):
            raise ValueError(why)
        if self.clipped and self.audio_codec == "copy" and self.video_codec != "copy":
            raise ValueError("start, end and duration cut at any sample: sound has to be encoded (set audio_codec)")
        return self

    @model_validator(mode="after")
    def _picture_fits(self) -> Self:
        if self.kind != "picture":
            said = [name for name in StillSettings.model_fields if name in self.model_fields_set]
            changed = [name for name in said if getattr(self, name) != StillSettings.model_fields[name].default]
            if changed:
                raise ValueError(f"{changed[0]} is for pictures, and {self.container} is none (set container)")
            return self
        if self.picture == "animation" and self.container not in {"gif", "webp"}:
            raise ValueError(f"{self.container} does not move; gif and webp do (set container)")
        if self.picture == "thumbnails" and self.container == "gif":
            raise ValueError("gif: several pictures are jpg, png, webp, bmp or tiff (set container)")
        if self.picture == "storyboard" and self.container not in {"jpg", "png", "webp"}:
            raise ValueError(f"players read no storyboard in {self.container}; set container to jpg, png or webp")
        return self

    @model_validator(mode="after")
    def _several_fit(self) -> Self:
        """Who asks for parts or an archive gets some."""
        packed = next((name for name in ("archive", "archive_above") if getattr(self, name)), None)
        if packed is not None and not self.several:
            raise ValueError(f"{packed}: {self.container} is one file (set picture, or cut_count)")
        if not self.cuts:
            return self
        if self.kind in {"package", "picture"}:
            raise ValueError(f"cut_spans, cut_seconds and cut_count make files, and no {self.kind} (set container)")
        if "copy" in {self.video_codec, self.audio_codec}:
            raise ValueError("parts begin at any frame: pictures and sound have to be encoded (set video_codec)")
        if self.cut_spans and self.clipped:
            raise ValueError("cut_spans say where each part begins and ends (leave start, end and duration out)")
        return self

    @model_validator(mode="after")
    def _shape_fits_pictures(self) -> Self:
        """What changes pictures needs them decoded."""
        if self.shows_pictures:
            return self
        parts = {"start", "end", "duration"}
        fields = {name: field.default for name, field in ShapeSettings.model_fields.items() if name not in parts}
        changed = next((name for name, usual in fields.items() if getattr(self, name) != usual), None)
        if changed is not None:
            raise ValueError(f"{changed}: with video_codec {self.video_codec} no pictures are drawn (set video_codec)")
        if self.clipped and self.video_codec == "copy":
            raise ValueError("start, end and duration cut at any frame: pictures have to be encoded (set video_codec)")
        return self

    @model_validator(mode="after")
    def _rate_fits(self) -> Self:
        ways = [name for name in ("crf", "qp", "bitrate") if getattr(self, name) is not None]
        if len(ways) > 1 and not (self.video_codec == "vp9" and ways == ["crf", "bitrate"]):
            raise ValueError(f"{' and '.join(ways)} exclude each other")
        capped = self.maxrate is not None or self.bufsize is not None
        if capped and self.qp is not None:
            raise ValueError("a constant qp keeps to no maxrate; set crf instead")
        if self.video_codec in _BUFFERED and (self.maxrate is None) != (self.bufsize is None):
            raise ValueError("maxrate and bufsize go together: one without the other holds nothing")
        if self.maxrate is not None and self.bitrate is not None and self.maxrate < self.bitrate:
            raise ValueError("maxrate is below bitrate")
        if capped and self.video_codec == "theora":
            raise ValueError("the theora encoder keeps to bitrate on average; leave maxrate and bufsize out")
        if capped and self.video_codec == "vp9":
            raise ValueError("the vp9 encoder keeps to bitrate on average; maxrate and bufsize are for h264 and h265")
        if capped and self.video_codec == "av1" and (self.bufsize is not None or self.bitrate is not None):
            raise ValueError("the av1 encoder takes maxrate alone, beside crf; bufsize is for h264 and h265")
        if len(self.ladder) > 1 and (capped or self.bitrate is not None):
            raise ValueError("one bitrate or maxrate does not fit a ladder of several renditions (set ladder)")
        return self

    @model_validator(mode="after")
    def _rungs_fit(self) -> Self:
        """A rung's rate is an output's rate: the same goes together. Without pictures there are no rungs to climb."""
        for number, rung in enumerate(self.ladder if self.encodes_video else ()):
            at = f"ladder.{number}"
            if rung.fps is not None:
                raise ValueError(f"{at}: fps: every rung shows the output's frames (set fps of the output)")
            said = (
                "crf" if rung.crf is not None else next((n for n in ("crf", "qp") if getattr(self, n) is not None), "")
            )
            if rung.bitrate is not None and said:
                raise ValueError(f"{at}: {said} and bitrate exclude each other")
            if rung.bitrate is not None and self.bitrate_tier is not None:
                raise ValueError(f"{at}: bitrate_tier and bitrate exclude each other")
            if rung.crf is not None and (why := misfit(self.video_codec, "crf", rung.crf)) is not None:
                raise ValueError(f"{at}: crf: {why}")
            if (rung.maxrate is None) != (rung.bufsize is None) and self.video_codec in _BUFFERED:
                raise ValueError(f"{at}: maxrate and bufsize go together: one without the other holds nothing")
            if (rung.maxrate or rung.bufsize) and (self.maxrate or self.bufsize or self.qp is not None):
                raise ValueError(f"{at}: maxrate stands beside the output's own maxrate or qp (set it in one place)")
            if rung.maxrate and rung.bitrate and rung.maxrate < rung.bitrate:
                raise ValueError(f"{at}: maxrate is below bitrate")
            if self.video_codec == "av1" and (rung.bufsize or (rung.maxrate and rung.bitrate)):
                raise ValueError(f"{at}: the av1 encoder takes maxrate alone, beside crf; bufsize is for h264 and h265")
        if self.passes == _BOTH and not self.targets:
            raise ValueError("passes=2 shares out a bit rate: set bitrate, bitrate_tier or the bitrate of each rung")
        if self.passes == _BOTH and not self.two_passes:
            raise ValueError(f"{self.container} is written by one process in one pass (leave passes out)")
        if self.two_passes and self.crf is not None and self.bitrate_tier is None:
            raise ValueError("crf is for one pass; of two passes the bit rate says all (leave crf out)")
        return self

    @model_validator(mode="after")
    def _package_fits(self) -> Self:
        if self.kind != "package":
            if self.progressive:
                raise ValueError("progressive: only a package has renditions (set container)")
            named = next((name for name, usual in _SEGMENTED.items() if getattr(self, name) != usual), None)
            if named is not None:
                raise ValueError(f"{named}: only a package has segments (set container)")
        if self.segments == "ts":
            if "dash" in self.manifests:
                raise ValueError("manifests: DASH names CMAF segments; TS segments are for hls alone")
            if self.encodes_video and self.video_codec not in {"h264", "h265"}:
                raise ValueError(f"segments: a transport stream takes h264 or h265, not {self.video_codec}")
        return self

    @model_validator(mode="after")
    def _words_fit(self) -> Self:
        """A word and the figure that it stands for exclude each other."""
        for word, figures in _WORDS.items():
            both = [name for name in figures if getattr(self, name) is not None]
            if getattr(self, word) is not None and both:
                raise ValueError(f"{word} and {both[0]} exclude each other")
        old = [name for name in ("speed", "bitrate_tier", "bit_depth", "pix_fmt") if getattr(self, name) is not None]
        if self.video_codec in _OLD and old and self.pix_fmt != "source":
            raise ValueError(f"{old[0]}: the {self.video_codec} encoder has none; it takes bitrate or quality")
        if self.encoder == "libaom-av1":
            if self.video_codec != "av1":
                raise ValueError("libaom-av1 encodes av1 (set video_codec)")
            theirs = next((name for name in ("level", "maxrate", "encoder_options") if getattr(self, name)), None)
            if theirs is not None or any(rung.maxrate for rung in self.ladder):
                raise ValueError(f"{theirs or 'maxrate'}: is for the usual av1 encoder (leave encoder out)")
            if self.encoder_preset is not None and self.encoder_preset not in set("012345678"):
                raise ValueError("encoder_preset: libaom-av1 takes 0 to 8 (its cpu-used)")
        return self

    @model_validator(mode="after")
    def _encoder_fits(self) -> Self:
        given = {name: getattr(self, name) for name in (*JUDGED, "bitrate", "maxrate", "bufsize", "gop_frames")}
        said = [name for name, value in given.items() if value is not None]
        if (said or self.encoder_options) and not self.encodes_video:
            named = said[0] if said else "encoder_options"
            raise ValueError(f"{named}: with video_codec {self.video_codec} no pictures are encoded")
        for name in JUDGED:
            if given[name] is not None and (why := misfit(self.video_codec, name, given[name])) is not None:
                raise ValueError(f"{name}: {why}")
        for key, value in self.encoder_options.items():
            if (why := misfit_key(self.video_codec, key, value)) is not None:
                raise ValueError(f"encoder_options: {why}")
        if self.ladder and (self.width or self.height or self.size):
            raise ValueError("width and height are the rungs' in a ladder (set ladder, or take it away)")
        on_grid = [key for key in ("min-keyint", "scenecut") if key in self.encoder_options]
        own = on_grid or [name for name in ("gop_frames", "gop_seconds") if getattr(self, name) is not None]
        if self.container == "package" and own:
            named = own[0]
            raise ValueError(f"{named}: a package's keyframes begin its segments (set segment_seconds)")
        return self


_SEGMENTED = {"segments": "cmaf", "segment_files": "files", "iframes": True, "manifests": ("hls", "dash")}
_WORDS = {
    "speed": ("encoder_preset",),
    "quality": ("crf", "qp", "bitrate"),
    "bitrate_tier": ("bitrate", "crf", "qp", "quality"),
    "bit_depth": ("pix_fmt",),
    "gop_seconds": ("gop_frames",),
}
#: Frames of lookahead with which chunks were seen to leave a player's buffer as full as they found it.
LEAST_LOOKAHEAD = 5
_BOTH = 2
#: Codecs whose encoders have one speed and one pixel format, and a quantiser instead of a constant rate factor.
_OLD = frozenset({"mpeg4", "mpeg2", "flv1", "wmv2", "theora"})
#: Codecs whose encoders model a player's buffer frame by frame.
_BUFFERED = frozenset({"h264", "h265"})
