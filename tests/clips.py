"""Odd clips, made on the spot: every function writes one small file that some decoder, demuxer or clock finds hard.

They are made by the bundled ffmpeg or by PyAV, the same bytes every time on one machine, so the repository keeps none.
`CLIPS` maps the file's name to a function that makes it in a folder and returns its path::

    path = CLIPS["vfr.mkv"](tmp_path)
"""

from __future__ import annotations

import random
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import imageio_ffmpeg
import paff

Packets: TypeAlias = "list[av.Packet[Any]]"

CLIPS: dict[str, Callable[[Path], Path]] = {}

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-b:a", "64k")
UNEVEN = (  # 40 ms apart more or less, with two real holes
    "settb=1/90000,setpts='N*3600+mod(N*N*37,1700)+gte(N,20)*67000+gte(N,45)*131300'"
)
OPEN_GOP = "open-gop=1:keyint=24:min-keyint=24:scenecut=0:b-adapt=0"
TS_PACKET = 188


def clip(name: str) -> Callable[[Callable[[Path], None]], Callable[[Path], Path]]:
    """Register a function that writes the file it is given; callers give the folder instead and get the path."""

    def register(write: Callable[[Path], None]) -> Callable[[Path], Path]:
        def make(folder: Path) -> Path:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            write(path)
            return path

        make.__doc__ = write.__doc__
        CLIPS[name] = make
        return make

    return register


# Tools


def ffmpeg(*args: str | Path) -> None:
    """Run the bundled ffmpeg; its complaints become the error."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, args)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")


def encode(out: Path, *args: str | Path) -> None:
    """Run ffmpeg on lavfi inputs, one thread an encoder, no version strings or random ids in the file."""
    ffmpeg(*args, "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", out)


def copy(source: Path, out: Path, *args: str, before: tuple[str, ...] = ()) -> None:
    """Remux all streams of a file."""
    ffmpeg(*before, "-i", source, "-map", "0", "-c", "copy", *args, "-fflags", "+bitexact", out)


def picture(seconds: float = 3, rate: str = "25", size: str = "320x180") -> tuple[str, ...]:
    """Input arguments of a moving test picture; no two frames of it are equal."""
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def sound(seconds: float = 3, rate: int = 48000) -> tuple[str, ...]:
    """Input arguments of a tone."""
    return ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={rate}:duration={seconds}")


def x264(params: str) -> tuple[str, ...]:
    return (*X264, "-x264-params", params)


def x265(params: str) -> tuple[str, ...]:
    return (*X265, "-x265-params", f"log-level=error:info=0:pools=none:frame-threads=1:{params}")


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A path for a file on the way to the clip."""
    with tempfile.TemporaryDirectory(prefix="framemill-clips-") as folder:
        yield Path(folder) / name


def remux(source: Path, out: Path, edit: Callable[[Packets], Packets]) -> None:
    """Copy the video packets of a file, in their order, after ``edit`` had its way with them."""
    with av.open(str(source)) as reader, av.open(str(out), "w", options={"fflags": "+bitexact"}) as writer:
        stream = reader.streams.video[0]
        copied = writer.add_stream_from_template(stream, opaque=True)
        for packet in edit([packet for packet in reader.demux(stream) if packet.size]):
            packet.stream = copied
            writer.mux(packet)


# Clocks: rates, holes, offsets


@clip("cfr_29_97.mp4")
def cfr_29_97(out: Path) -> None:
    """NTSC rate, closed GOPs of 30, B-frames, AAC."""
    encode(out, *picture(4, "30000/1001"), *sound(4), *x264("keyint=30:bframes=3"), *AAC)


@clip("cfr_23_976.mp4")
def cfr_23_976(out: Path) -> None:
    """Film rate on video."""
    encode(out, *picture(4, "24000/1001"), *sound(4), *x264("keyint=48"), *AAC)


@clip("vfr.mp4")
def vfr_mp4(out: Path) -> None:
    """Uneven times with two holes, strictly increasing, 1/90000."""
    encode(out, *picture(3), "-vf", UNEVEN, "-fps_mode", "passthrough", "-enc_time_base", "filter", *x264("keyint=20"))


@clip("vfr.mkv")
def vfr_mkv(out: Path) -> None:
    """The same, rounded to Matroska's milliseconds."""
    encode(out, *picture(3), "-vf", UNEVEN, "-fps_mode", "passthrough", "-enc_time_base", "filter", *x264("keyint=20"))


@clip("changing_rate.mkv")
def changing_rate(out: Path) -> None:
    """25 frames a second, then 50, then 12.5."""
    times = "settb=1/90000,setpts='if(lt(N,25),N*3600,if(lt(N,75),90000+(N-25)*1800,180000+(N-75)*7200))'"
    encode(out, *picture(4), "-vf", times, "-fps_mode", "passthrough", "-enc_time_base", "filter", *x264("keyint=30"))


@clip("late_video.mp4")
def late_video(out: Path) -> None:
    """The picture starts 0.5005 s after the sound."""
    encode(out, "-itsoffset", "0.5005", *picture(3, "30000/1001"), *sound(4), *x264("keyint=30"), *AAC)


@clip("late_audio.mp4")
def late_audio(out: Path) -> None:
    """The sound starts 0.7 s after the picture."""
    encode(out, *picture(4), "-itsoffset", "0.7", *sound(3), *x264("keyint=25"), *AAC)


@clip("ts_3600.ts")
def ts_3600(out: Path) -> None:
    """A transport stream whose clock starts at one hour."""
    encode(out, *picture(), *sound(), *x264("keyint=25"), *AAC, "-output_ts_offset", "3600")


@clip("pts_wrap.ts")
def pts_wrap(out: Path) -> None:
    """The 33-bit clock wraps in the middle."""
    encode(out, *picture(), *x264("keyint=25"), "-output_ts_offset", f"{2**33 / 90000 - 2.9:.6f}")


@clip("backwards.ts")
def backwards(out: Path) -> None:
    """Two transport streams end to end, their clocks not mended: the time jumps back by 1.5 s."""
    with scratch("one.ts") as one:
        encode(one, *picture(1.5), *x264("keyint=12"))
        out.write_bytes(one.read_bytes() * 2)


def _equal_pair(packets: Packets) -> Packets:
    """Give the frames 20 and 41 the time of the frame after them."""
    for index in (20, 41):
        packets[index].pts = packets[index + 1].pts
    return packets


@clip("equal_pts.mkv")
def equal_pts_mkv(out: Path) -> None:
    """Two pairs of frames share their time."""
    with scratch("clean.mkv") as clean:
        encode(clean, *picture(), *x264("keyint=25:bframes=0"))
        remux(clean, out, _equal_pair)


@clip("equal_pts.ts")
def equal_pts_ts(out: Path) -> None:
    """The same in a transport stream; the decoder mends the time of one pair, so it is not what the packets say."""
    with scratch("clean.ts") as clean:
        encode(clean, *picture(), *x264("keyint=25:bframes=0"))
        remux(clean, out, _equal_pair)


# GOPs: what a seek can hope for


@clip("open_gop_h264.mp4")
def open_gop_h264_mp4(out: Path) -> None:
    """Leading B-frames before most keyframes."""
    encode(out, *picture(4), *x264(f"{OPEN_GOP}:bframes=3"))


@clip("open_gop_h264.ts")
def open_gop_h264_ts(out: Path) -> None:
    """Leading B-frames, and no sync table to say which keyframe is whole."""
    encode(out, *picture(4), *sound(4), *x264(f"{OPEN_GOP}:bframes=3"), *AAC)


@clip("open_gop_hevc.mp4")
def open_gop_hevc_mp4(out: Path) -> None:
    """HEVC with CRA pictures and their RASL pictures."""
    encode(out, *picture(4), *x265(f"{OPEN_GOP}:bframes=4"), "-tag:v", "hvc1")


@clip("open_gop_hevc.ts")
def open_gop_hevc_ts(out: Path) -> None:
    """The same in a transport stream."""
    encode(out, *picture(4), *x265(f"{OPEN_GOP}:bframes=4"))


@clip("b_pyramid.mp4")
def b_pyramid(out: Path) -> None:
    """Deep reordering: B-frames that are references."""
    encode(out, *picture(4), *x264("keyint=50:bframes=8:b-adapt=0:b-pyramid=normal:ref=5"))


@clip("one_keyframe.mp4")
def one_keyframe(out: Path) -> None:
    """One keyframe, sound beside it."""
    encode(out, *picture(4), *sound(4), *x264("keyint=infinite:scenecut=0"), *AAC)


@clip("long_gop.mp4")
def long_gop(out: Path) -> None:
    """500 frames after one keyframe."""
    encode(out, *picture(20, size="160x90"), *x264("keyint=infinite:scenecut=0"))


@clip("intra_refresh.mp4")
def intra_refresh(out: Path) -> None:
    """A column of intra blocks wanders over the picture; only the first frame is an IDR."""
    encode(out, *picture(4), *x264("intra-refresh=1:keyint=25:bframes=0"))


@clip("intra_refresh.ts")
def intra_refresh_ts(out: Path) -> None:
    """The same where recovery points are the only places to start."""
    encode(out, *picture(4), *x264("intra-refresh=1:keyint=25:bframes=2"))


@clip("edit_list.mp4")
def edit_list(out: Path) -> None:
    """A copy cut off the keyframe: the packets that lead to the cut are there, but are not shown."""
    with scratch("whole.mp4") as whole:
        encode(whole, *picture(5), *sound(5), *x264("keyint=50:min-keyint=50:scenecut=0:bframes=2"), *AAC)
        copy(whole, out, before=("-ss", "1.3"))


def _from_second_keyframe(packets: Packets) -> Packets:
    return packets[[index for index, packet in enumerate(packets) if packet.is_keyframe][1] :]


@clip("lost_references_h264.ts")
def lost_references_h264(out: Path) -> None:
    """Cut at an open GOP: the leading B-frames' references are gone."""
    with scratch("whole.ts") as whole:
        encode(whole, *picture(4), *x264(f"{OPEN_GOP}:bframes=3:b-pyramid=none"))
        remux(whole, out, _from_second_keyframe)


@clip("lost_references_hevc.ts")
def lost_references_hevc(out: Path) -> None:
    """The same in HEVC: the RASL pictures can't be decoded."""
    with scratch("whole.ts") as whole:
        encode(whole, *picture(4), *x265(f"{OPEN_GOP}:bframes=4"))
        remux(whole, out, _from_second_keyframe)


@clip("lost_references_mpeg2.ts")
def lost_references_mpeg2(out: Path) -> None:
    """The DVB way: MPEG-2 cut at an open GOP."""
    with scratch("whole.ts") as whole:
        encode(whole, *picture(4), "-c:v", "mpeg2video", "-g", "12", "-bf", "2", "-q:v", "4")
        remux(whole, out, _from_second_keyframe)


@clip("mid_gop.ts")
def mid_gop(out: Path) -> None:
    """Cut in the middle of a GOP: the first keyframe comes after 14 packets."""
    with scratch("whole.ts") as whole:
        encode(whole, *picture(4), *x264("keyint=24:min-keyint=24:scenecut=0:bframes=3"))
        remux(whole, out, lambda packets: packets[10:])


# Codecs and containers


@clip("raw.h264")
def raw_h264(out: Path) -> None:
    """No container, no times."""
    encode(out, *picture(), *x264("keyint=25:bframes=3"))


@clip("raw.h265")
def raw_h265(out: Path) -> None:
    """No container, no times, HEVC."""
    encode(out, *picture(), *x265("keyint=25:bframes=3"))


@clip("hevc_10bit.mp4")
def hevc_10bit(out: Path) -> None:
    encode(out, *picture(), *x265("keyint=25"), "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1")


@clip("h264_10bit.mp4")
def h264_10bit(out: Path) -> None:
    encode(out, *picture(), *x264("keyint=25"), "-pix_fmt", "yuv420p10le")


@clip("fragmented.mp4")
def fragmented(out: Path) -> None:
    """Fragments at keyframes, an empty moov, B-frames, sound."""
    flags = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
    encode(out, *picture(4), *sound(4), *x264("keyint=25:bframes=2"), *AAC, *flags)


@clip("mpeg2_interlaced.ts")
def mpeg2_interlaced_ts(out: Path) -> None:
    """Interlaced MPEG-2 with MP2, as broadcast."""
    encode(out, *_interlaced(), *sound(), *_mpeg2_fields(), "-c:a", "mp2", "-b:a", "128k")


@clip("mpeg2_interlaced.mpg")
def mpeg2_interlaced_ps(out: Path) -> None:
    """Interlaced MPEG-2 in a program stream."""
    encode(out, *_interlaced(), *sound(), *_mpeg2_fields(), "-c:a", "mp2", "-b:a", "128k", "-f", "vob")


def _interlaced(seconds: float = 3) -> tuple[str, ...]:
    """Input arguments of a picture whose two fields are really 20 ms apart."""
    graph = f"testsrc2=size=320x192:rate=50:duration={seconds},tinterlace=interleave_top,setfield=tff"
    return ("-f", "lavfi", "-i", graph)


def _mpeg2_fields() -> tuple[str, ...]:
    return ("-c:v", "mpeg2video", "-flags:v", "+ilme+ildct", "-g", "12", "-bf", "2", "-q:v", "4", "-pix_fmt", "yuv420p")


@clip("mpeg4_asp.avi")
def mpeg4_asp(out: Path) -> None:
    """MPEG-4 ASP with B-frames in AVI, not packed."""
    encode(out, *picture(), *sound(), "-c:v", "mpeg4", "-bf", "2", "-g", "25", "-q:v", "4", "-c:a", "libmp3lame")


@clip("mpeg4_packed.avi")
def mpeg4_packed(out: Path) -> None:
    """Xvid's packed B-frames: two frames in one packet, then an empty one."""
    encode(out, *picture(), "-c:v", "libxvid", "-bf", "2", "-g", "25", "-q:v", "4")


@clip("mjpeg.avi")
def mjpeg(out: Path) -> None:
    encode(out, *picture(), *sound(), "-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le")


@clip("ffv1.mkv")
def ffv1(out: Path) -> None:
    encode(out, *picture(2), *sound(2), "-c:v", "ffv1", "-level", "3", "-g", "1", "-c:a", "flac")


@clip("prores.mov")
def prores(out: Path) -> None:
    encode(out, *picture(2), *sound(2), "-c:v", "prores_ks", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s24le")


@clip("vp8.webm")
def vp8(out: Path) -> None:
    encode(out, *picture(), *sound(), *_vpx("libvpx"), "-c:a", "libvorbis")


@clip("vp9_altref.webm")
def vp9_altref(out: Path) -> None:
    """VP9 with hidden alternate reference frames."""
    encode(
        out, *picture(), *sound(), *_vpx("libvpx-vp9"), "-auto-alt-ref", "1", "-lag-in-frames", "16", "-c:a", "libopus"
    )


@clip("odd_size_vp9.webm")
def odd_size_vp9(out: Path) -> None:
    """161x121."""
    encode(out, *picture(), "-vf", "scale=161:121", *_vpx("libvpx-vp9"))


def _vpx(codec: str) -> tuple[str, ...]:
    return ("-c:v", codec, "-b:v", "200k", "-g", "30", "-deadline", "realtime", "-cpu-used", "5", "-pix_fmt", "yuv420p")


@clip("odd_size_444.mp4")
def odd_size_444(out: Path) -> None:
    """161x121 in H.264 4:4:4."""
    encode(out, *picture(), "-vf", "scale=161:121", *x264("keyint=25"), "-pix_fmt", "yuv444p")


@clip("av1.mp4")
def av1_mp4(out: Path) -> None:
    encode(out, *picture(), *sound(), *_av1(), *AAC)


@clip("av1.mkv")
def av1_mkv(out: Path) -> None:
    encode(out, *picture(3, "30000/1001"), *sound(), *_av1(), "-c:a", "libopus")


def _av1() -> tuple[str, ...]:
    return (
        "-c:v",
        "libsvtav1",
        "-preset",
        "12",
        "-crf",
        "40",
        "-g",
        "30",
        "-svtav1-params",
        "lp=1",
        "-pix_fmt",
        "yuv420p",
    )


@clip("h264.flv")
def h264_flv(out: Path) -> None:
    """H.264 with B-frames and AAC in milliseconds."""
    encode(out, *picture(3, "30000/1001"), *sound(3, 44100), *x264("keyint=30:bframes=2"), *AAC)


@clip("sorenson.flv")
def sorenson_flv(out: Path) -> None:
    encode(out, *picture(), *sound(3, 44100), "-c:v", "flv", "-g", "25", "-q:v", "4", "-c:a", "libmp3lame")


@clip("theora.ogv")
def theora(out: Path) -> None:
    encode(out, *picture(), *sound(), "-c:v", "libtheora", "-q:v", "6", "-g", "16", "-c:a", "libvorbis")


@clip("wmv2.wmv")
def wmv2(out: Path) -> None:
    encode(out, *picture(), *sound(3, 44100), "-c:v", "wmv2", "-g", "25", "-b:v", "400k", "-c:a", "wmav2")


@clip("pal.dv")
def dv(out: Path) -> None:
    """PAL DV: 720x576 interlaced, 4:2:0, SAR 16:15, one second."""
    encode(out, *picture(1, size="720x576"), *sound(1), "-target", "pal-dv")


# Fields


@clip("mbaff.mp4")
def mbaff_mp4(out: Path) -> None:
    """Interlaced H.264, one packet a frame."""
    encode(out, *_interlaced(), *x264("tff=1:keyint=25:bframes=2"), "-flags:v", "+ilme+ildct")


@clip("mbaff.ts")
def mbaff_ts(out: Path) -> None:
    """Interlaced H.264 in a transport stream."""
    encode(out, *_interlaced(), *sound(), *x264("tff=1:keyint=25:bframes=2"), "-flags:v", "+ilme+ildct", *AAC)


@clip("field_coded.h264")
def field_coded_raw(out: Path) -> None:
    """Every field a picture of its own: two packets a frame, and no times."""
    out.write_bytes(b"".join(unit for _, unit in paff.field_units()))


@clip("field_coded.mp4")
def field_coded_mp4(out: Path) -> None:
    """Every field a sample of its own, with its own time: twice as many packets as frames."""
    _mux_fields(out)


@clip("field_coded.ts")
def field_coded_ts(out: Path) -> None:
    """Every field a PES packet of its own."""
    _mux_fields(out)


def _mux_fields(out: Path) -> None:
    """Write the field pictures, 50 a second, by their display order."""
    with scratch("fields.h264") as raw:
        field_coded_raw(raw.parent).rename(raw)
        units = paff.field_units()
        with av.open(str(raw)) as reader, av.open(str(out), "w", options={"fflags": "+bitexact"}) as writer:
            stream = writer.add_stream_from_template(reader.streams.video[0], opaque=True)
            stream.time_base = Fraction(1, 50)
            for index, (rank, unit) in enumerate(units):
                packet = av.Packet(unit)
                packet.stream, packet.time_base = stream, Fraction(1, 50)
                packet.pts, packet.dts, packet.duration = rank, index - 2, 1
                packet.is_keyframe = index % (2 * paff.GOP) == 0
                writer.mux(packet)


# Pixels


@clip("full_range.mp4")
def full_range(out: Path) -> None:
    """yuvj420p: the full range."""
    encode(out, *picture(), "-vf", "scale=out_range=full,format=yuvj420p", *x264("keyint=25"), "-pix_fmt", "yuvj420p")


@clip("gray.mp4")
def gray_h264(out: Path) -> None:
    """Monochrome H.264, which decodes as yuvj420p."""
    encode(out, *picture(), *x264("keyint=25"), "-pix_fmt", "gray")


@clip("gray.mkv")
def gray_ffv1(out: Path) -> None:
    encode(out, *picture(2), "-c:v", "ffv1", "-level", "3", "-g", "10", "-pix_fmt", "gray")


@clip("rgb.mp4")
def rgb(out: Path) -> None:
    encode(out, *picture(), "-c:v", "libx264rgb", "-preset", "veryfast", "-g", "25", "-pix_fmt", "rgb24")


PALETTE = ("-filter_complex", "[0:v]split[a][b];[a]palettegen[p];[b][p]paletteuse")


@clip("palette_png.mov")
def palette_png(out: Path) -> None:
    encode(out, *picture(2), *PALETTE, "-c:v", "png", "-pix_fmt", "pal8")


@clip("palette_msrle.avi")
def palette_msrle(out: Path) -> None:
    """A palettised AVI with delta frames."""
    encode(out, *picture(2), *PALETTE, "-c:v", "msrle", "-pix_fmt", "pal8", "-g", "12")


@clip("qtrle.mov")
def qtrle(out: Path) -> None:
    """QuickTime animation, RGB, delta frames."""
    encode(out, *picture(2, size="160x90"), "-c:v", "qtrle", "-g", "12")


@clip("uneven.gif")
def uneven_gif(out: Path) -> None:
    """A GIF with delays of 40 ms to 1.5 s."""
    uneven = "settb=1/100,setpts='N*6+mod(N*N,5)+gte(N,20)*150'"
    encode(out, *picture(2, size="160x90"), "-vf", uneven, "-fps_mode", "passthrough", "-enc_time_base", "filter")


@clip("sar.mp4")
def sar(out: Path) -> None:
    encode(out, *picture(size="240x180"), "-vf", "setsar=4/3", *x264("keyint=25"))


@clip("rotated.mp4")
def rotated(out: Path) -> None:
    """A phone held upright: a display matrix of 90 degrees."""
    with scratch("upright.mp4") as upright:
        encode(upright, *picture(), *sound(), *x264("keyint=25"), *AAC)
        copy(upright, out, before=("-display_rotation", "90"))


@clip("size_change.ts")
def size_change_ts(out: Path) -> None:
    """320x180, then 240x136, in one transport stream."""
    with scratch("small.ts") as small:
        encode(out, *picture(2), *x264("keyint=25"))
        encode(small, *picture(2, size="240x136"), *x264("keyint=25"), "-output_ts_offset", "2.08")
        out.write_bytes(out.read_bytes() + small.read_bytes())


@clip("size_change.mkv")
def size_change_mkv(out: Path) -> None:
    """The same in Matroska, the second size known from the packets only."""
    with scratch("size_change.ts") as both:
        size_change_ts(both.parent)
        copy(both, out)


# Streams beside the picture


@clip("audio_only.m4a")
def audio_m4a(out: Path) -> None:
    encode(out, *sound(), *AAC)


@clip("audio_only.wav")
def audio_wav(out: Path) -> None:
    encode(out, *sound())


@clip("audio_only.flac")
def audio_flac(out: Path) -> None:
    encode(out, *sound())


@clip("cover.mp3")
def cover_mp3(out: Path) -> None:
    """Sound with a picture of its cover."""
    cover = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-disposition:v", "attached_pic")
    encode(out, *sound(), *picture(1, rate="1"), "-map", "0:a", "-map", "1:v", *cover, "-c:a", "libmp3lame")


@clip("cover_first.mp4")
def cover_first(out: Path) -> None:
    """The cover is stream 0, the video comes after it (``udta`` stands before ``trak``)."""
    cover = ("-c:v:1", "mjpeg", "-pix_fmt:v:1", "yuvj420p", "-disposition:v:1", "attached_pic")
    with scratch("last.mp4") as last:
        maps = ("-map", "0:v", "-map", "2:a", "-map", "1:v")
        encode(last, *picture(), *picture(1, rate="1"), *sound(), *maps, *x264("keyint=25"), *cover, *AAC)
        out.write_bytes(_udta_first(last.read_bytes()))


def _udta_first(data: bytes) -> bytes:
    """Move moov's udta box before its traks; nothing changes its distance to mdat."""
    moov, end = next((at, end) for kind, at, end in _boxes(data, 0, len(data)) if kind == b"moov")
    children = list(_boxes(data, moov, end))
    order = sorted(children, key=lambda box: (b"mvhd", b"udta").index(box[0]) if box[0] in (b"mvhd", b"udta") else 2)
    return data[:moov] + b"".join(data[at - 8 : stop] for _, at, stop in order) + data[end:]


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two offsets: (kind, start of the payload, end)."""
    while at < end:
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, at + size
        at += size


@clip("two_videos.mp4")
def two_videos(out: Path) -> None:
    """Two real video streams of two sizes."""
    encode(out, *picture(), *picture(size="160x90"), "-map", "0:v", "-map", "1:v", *x264("keyint=25"))


@clip("video_only.mp4")
def video_only(out: Path) -> None:
    encode(out, *picture(), *x264("keyint=25"))


@clip("mov_text.mp4")
def mov_text(out: Path) -> None:
    _with_subtitles(out, "mov_text")


@clip("srt.mkv")
def srt(out: Path) -> None:
    _with_subtitles(out, "srt")


def _with_subtitles(out: Path, codec: str) -> None:
    with scratch("words.srt") as words:
        words.write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n\n2\n00:00:02,000 --> 00:00:02,900\nthere\n")
        maps = ("-map", "0:v", "-map", "1:a", "-map", "2:s")
        encode(out, *picture(), *sound(), "-i", words, *maps, *x264("keyint=25"), *AAC, "-c:s", codec)


@clip("languages.mp4")
def languages(out: Path) -> None:
    """Two sounds and a text, each in a language, at NTSC's rate."""
    with scratch("words.srt") as words:
        words.write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n\n2\n00:00:02,000 --> 00:00:04,000\nthere\n")
        maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s")
        tags = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:s:0", "language=eng")
        inputs = (*picture(4.3, "30000/1001"), *sound(4.3), *sound(4.3))
        encode(out, *inputs, "-i", words, *maps, *tags, *x264("keyint=30"), *AAC, "-c:s", "mov_text")


@clip("single_frame.mp4")
def single_frame(out: Path) -> None:
    encode(out, *picture(1), "-frames:v", "1", *X264)


@clip("still.png")
def still_png(out: Path) -> None:
    encode(out, *picture(1), "-frames:v", "1", "-update", "1")


@clip("still.jpg")
def still_jpeg(out: Path) -> None:
    encode(out, *picture(1), "-frames:v", "1", "-update", "1", "-pix_fmt", "yuvj420p", "-q:v", "3")


# Wounds


def _truncate(out: Path, *args: str) -> None:
    """Keep the first 60 % of a file."""
    encode(out, *picture(4), *sound(4), *x264("keyint=25:bframes=2"), *AAC, *args)
    data = out.read_bytes()
    out.write_bytes(data[: len(data) * 6 // 10])


@clip("truncated.mp4")
def truncated_mp4(out: Path) -> None:
    """The index names packets that are not there."""
    _truncate(out, "-movflags", "+faststart")


@clip("truncated.mkv")
def truncated_mkv(out: Path) -> None:
    _truncate(out)


@clip("truncated.ts")
def truncated_ts(out: Path) -> None:
    _truncate(out)


@clip("no_moov.mp4")
def no_moov(out: Path) -> None:
    """Cut before the index: nothing can be read, and the farm must say so."""
    _truncate(out)


@clip("damaged.ts")
def damaged_ts(out: Path) -> None:
    """Eight packets of the transport stream are zeros."""
    encode(out, *picture(4), *x264("keyint=25:bframes=2"))
    data = bytearray(out.read_bytes())
    count = len(data) // TS_PACKET
    for index in random.Random(7).sample(range(count // 5, count), 8):  # noqa: S311 - no secret
        data[index * TS_PACKET : (index + 1) * TS_PACKET] = bytes(TS_PACKET)
    out.write_bytes(data)
