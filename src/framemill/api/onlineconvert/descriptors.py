"""The options of each kind of target, described as JSON schemas of their values, by what the encoders take. Pure."""

from typing import Any

from framemill.jobs.encoders.notation import Kind
from framemill.jobs.encoders.sounds import SOUND_CODECS, misfit_bits
from framemill.jobs.encoders.table import ENCODERS
from framemill.jobs.settings import Container
from framemill.jobs.settings.kinds import FITTINGS, usual_audio, usual_video

Schema = dict[str, Any]
Schemas = dict[str, Schema]

TIME = r"^(([0-9]{1,4}:)?[0-9]{1,2}:)?[0-9]{1,6}(\.[0-9]{1,9})?$"
"""`HH:MM:SS.mmm`, or seconds."""
RATIO = r"^[1-9][0-9]{0,5}:[1-9][0-9]{0,5}$"
SIZE = r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$"
PASSWORDS = r"^[ -~]{0,1000}$"
STEM = r"^(?!\.{1,2}$)[^/\\\x00-\x1f]{1,200}$"
"""The name of a file without its extension, which is no place."""
PAGES = "^.{0,200}$"
RESIZING = ("keep_aspect_ratio", "keep_aspect_ratio_crop")
LEVELS = ("low", "medium", "high")
"""Of compression."""
MOST_PARTS = 400
LONGEST_PART = 14_400
"""Seconds."""
STILLS = ("jpg", "png", "webp", "bmp", "tiff")
STILL: Container = "png"
"""Where none is named."""

_KILOBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320)
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_LOSSLESS_RATES = (*_RATES, 88200, 96000, 176400, 192000)
_LONGEST_SIDE = 65_000
"""As it is published; the farm's own pictures have 16 to 16384, and say so."""
_FARTHEST = 100_000


def whole(low: int, high: int, says: str) -> Schema:
    """A whole number."""
    return {"type": "integer", "minimum": low, "maximum": high, "description": says}


def number(low: float, high: float, says: str) -> Schema:
    """A number, with a fraction or without."""
    return {"type": "number", "minimum": low, "maximum": high, "description": says}


def one_of(words: tuple[str, ...], says: str, usual: str | None = None) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": list(words), "description": says} | ({} if usual is None else {"default": usual})


def one_of_numbers(values: tuple[int, ...], says: str) -> Schema:
    """One of these numbers."""
    return {"type": "integer", "minimum": min(values), "maximum": max(values), "enum": list(values),
            "description": says}  # fmt: skip


def text(pattern: str, says: str) -> Schema:
    """Text of that form."""
    return {"type": "string", "pattern": pattern, "description": says}


def yes_or_no(says: str) -> Schema:
    """A switch that is off where nobody says otherwise."""
    return {"type": "boolean", "default": False, "description": says}


def for_all() -> Schemas:
    """What every target takes."""
    return {
        "preset": text("^.{1,64}$", "Id of a preset of this target: its options, below those that are given here."),
        "download_password": text(PASSWORDS, "Passwords that open the files, separated by commas."),
        "output_filename": text(STEM, "What the files are called, without extension; else as their input."),
        "allow_multiple_outputs": yes_or_no("Each file is an output; else several files of one input become one zip."),
    }


def shape() -> Schemas:
    """Which part of each picture is shown, and how large."""
    return {
        "width": whole(1, _LONGEST_SIDE, "Width in pixels."),
        "height": whole(1, _LONGEST_SIDE, "Height in pixels."),
        "resize_handling": one_of(
            RESIZING, "Of width and height together: fit inside, or fill and cut off what is over.", RESIZING[0]
        ),
        "aspect_ratio": text(RATIO, "Of the picture as it is shown; beside width or height, instead of the other."),
        "crop_top": whole(0, _FARTHEST, "Pixels of the source that are cut off at the top."),
        "crop_bottom": whole(0, _FARTHEST, "Pixels of the source that are cut off at the bottom."),
        "crop_left": whole(0, _FARTHEST, "Pixels of the source that are cut off at the left."),
        "crop_right": whole(0, _FARTHEST, "Pixels of the source that are cut off at the right."),
        "crop_origin_x": whole(0, _FARTHEST, "Pixels from the left where the crop begins; beside crop_width."),
        "crop_origin_y": whole(0, _FARTHEST, "Pixels from the top where the crop begins; beside crop_height."),
        "crop_width": whole(1, _LONGEST_SIDE, "Width in pixels of the source of what is shown."),
        "crop_height": whole(1, _LONGEST_SIDE, "Height in pixels of the source of what is shown."),
        "rotate": one_of_numbers((0, 90, 180, 270), "Degrees, clockwise."),
    }


def span() -> Schemas:
    """Which part of the time is shown."""
    return {
        "start": text(TIME, "Where it begins: HH:MM:SS.mmm, or seconds."),
        "end": text(TIME, "Where it ends: HH:MM:SS.mmm, or seconds."),
    }


def heard(container: Container) -> Schemas:
    """How sound is encoded in that container."""
    codec = SOUND_CODECS[usual_audio(container)]
    usual = usual_audio(container)
    rates = tuple(sorted(set(codec.rates))) or _LOSSLESS_RATES
    known = tuple(rate for rate in rates if rate >= _RATES[0] and (rate <= _RATES[-1] or codec.lossless))
    found = {
        "audio_codec": one_of(tuple(FITTINGS[container].audio), "How the sound is encoded.", usual),
        "channels": one_of(("mono", "stereo"), "Mixed to that."),
        "channel": one_of(("mono", "stereo"), "The same as channels."),
        "frequency": one_of_numbers(known, "Samples a second."),
        "normalize": yes_or_no("Bring the sound to one loudness, -23 LUFS (EBU R 128)."),
    }
    if not codec.lossless:
        fitting = tuple(
            bits
            for bits in _KILOBITS
            if any(not misfit_bits(usual, bits * 1000, known[-1], channels) for channels in (1, 2))
        )
        found["audio_bitrate"] = one_of_numbers(fitting, "Kilobits a second of the sound.")
    return found


def seen(container: Container) -> Schemas:
    """How pictures are encoded in that container; limits are those of its usual codec."""
    usual = usual_video(container)
    found: Schemas = {
        "video_codec": one_of(tuple(FITTINGS[container].video), "How the pictures are encoded.", usual),
        "video_bitrate": whole(8, 1_000_000, "Kilobits a second of the pictures, on average."),
        "framerate": number(1, 240, "Frames a second."),
    }
    encoder = ENCODERS.get(usual)
    if encoder is not None:
        low, high = int(encoder.crf.low or 0), int(encoder.crf.high)
        found["constant_rate_factor"] = whole(low, high, "Lower is better and larger; instead of video_bitrate.")
        if encoder.tune is not None:
            found["tune"] = one_of(_words(encoder.tune), "What kind of film it is, or what shall be measured.")
    if encoder is not None and "bframes" in encoder.keys:
        found["bframes"] = whole(0, 16, "Most pictures in a row that are made of those before and behind.")
        if encoder.profile is not None:
            found["profile"] = one_of(_words(encoder.profile), "What a player has to know.")
    return found


def film(container: Container) -> Schemas:
    """A file of pictures and sound."""
    found = {**shape(), **seen(container), **heard(container), **span(), **for_all()}
    found["disable_audio"] = yes_or_no("Leave the sound out.")
    if FITTINGS[container].kind in {"file", "package"}:
        found["merge"] = yes_or_no("One film of all inputs, one behind the other; else each becomes one of its own.")
    return found


def threshold() -> Schemas:
    """Where a conversion makes several files of one input."""
    return {
        "allow_multiple_outputs_threshold": whole(
            2, MOST_PARTS, "More files than that become one zip although several outputs are allowed."
        ),
    }


def hls() -> Schemas:
    """A package of segments and playlists."""
    known = {name: schema for name, schema in film("package").items() if name != "bframes"}
    known["video_codec"] = one_of(("h264", "h265"), "How the pictures are encoded.", "h264")
    segments = {"segment_length": number(1, 60, "Seconds of a segment, about.")}
    return {**known, **segments, **threshold()}


def sound(container: Container) -> Schemas:
    """A file of sound alone."""
    return {**heard(container), **span(), **for_all()}


def quality() -> Schemas:
    """Of pictures whose files can be smaller for less of it."""
    return {"quality": whole(1, 100, "100 is best.") | {"default": 85}}


def picture(container: Container) -> Schemas:
    """A picture; a GIF of a film moves."""
    found = {**shape(), **for_all()}
    if container in {"jpg", "webp"}:
        found |= quality()
    if container == "gif":
        found |= {"framerate": number(1, 50, "Frames a second, where the source is a film."), **span()}
    return found


def thumbnail() -> Schemas:
    """Pictures of a film."""
    chosen = {
        "thumbnail_target": one_of(STILLS, "What the pictures are.", STILL),
        "time": text(TIME, "Where in the film: HH:MM:SS.mmm, or seconds; else in its middle."),
        "count": whole(1, MOST_PARTS, "How many, spread over the film; instead of time."),
        "size": text(SIZE, "Width and height in pixels that they fit into, 320x180; instead of width and height."),
    }
    passed_over: Schemas = {
        "pages": text(PAGES, "Of documents: a film has none, and this is passed over."),
        "dpi": whole(1, 10_000, "Of documents, likewise."),
        "interlace": yes_or_no("Likewise passed over."),
    }
    return {**chosen, **passed_over, **shape(), **quality(), **threshold(), **for_all()}


def cut() -> Schemas:
    """Parts of a film."""
    point = {"type": "object", "properties": span(), "required": ["start", "end"]}
    chosen: Schemas = {
        "cut_points": {
            "type": "array", "items": point, "minItems": 1, "maxItems": MOST_PARTS,
            "description": "The parts, each from its start to its end.",
        },
        "length": whole(1, LONGEST_PART, "Seconds of each part, but the last."),
        "number_of_parts": whole(2, MOST_PARTS, "How many parts of one length."),
        "end_video": text(TIME, "Where the film ends: what comes behind is left out."),
    }  # fmt: skip
    return {**chosen, **threshold(), **for_all()}


def merge() -> Schemas:
    """Films one behind the other. What they are like follows from the first, and from these."""
    kept = ("width", "height", "resize_handling", "rotate")
    drawn = {name: schema for name, schema in shape().items() if name in kept}
    return {**drawn, **{name: schema for name, schema in seen("mp4").items() if name in _MERGED}, **for_all()}


_MERGED = ("video_bitrate", "framerate", "constant_rate_factor")


def compress() -> Schemas:
    """Smaller files of the same kind."""
    kept = ("width", "height", "resize_handling")
    drawn = {name: schema for name, schema in shape().items() if name in kept}
    chosen = {
        "compression_level": one_of(LEVELS, "How much is given up for a smaller file.", "medium"),
        "quality": whole(1, 100, "100 is best; instead of compression_level."),
    }
    return {**chosen, **drawn, **for_all()}


def _words(kind: Kind) -> tuple[str, ...]:
    """Those of a `notation.one_of`."""
    return tuple(kind.says.split(", "))
