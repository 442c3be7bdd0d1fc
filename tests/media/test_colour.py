"""Colours through real encoders: the tags, the light of the master, and what becomes of high dynamic range.

Judged by one plain ffmpeg run of the same graph, by the figures of known colours, and by the boxes themselves.
"""

import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import clips
import one_title
import pytest
from carried_out import carried_out

from framemill.errors import InvalidSetting, VerificationFailed
from framemill.media import ffmpeg
from framemill.media.encode import group_command, output_times
from framemill.media.stitch import JoinRequest, VideoTrack, join
from framemill.media.verify import VerifyRequest, verify

MOVING = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=24:duration=2")
MASTER = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
PQ = "setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
TO_2020 = "scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le"
#: mdcv: green, blue, red, white in 0.00002, brightest and darkest in 0.0001 cd/m² (ISO/IEC 14496-12, 12.1.7).
MDCV = struct.pack(">10H", 13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 0, 0)[:16] + struct.pack(
    ">2I", 10_000_000, 50
)
FAST = {"h264": "ultrafast", "h265": "ultrafast", "av1": "10", "vp9": "8"}


@pytest.fixture(scope="module")
def hdr10(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of HEVC in PQ with the light of its master; a keyframe every twelve frames."""
    path = tmp_path_factory.mktemp("hdr") / "hdr10.mp4"
    params = f"log-level=error:pools=none:frame-threads=1:keyint=12:open-gop=0:master-display={MASTER}:max-cll=1000,400"
    clips.ffmpeg(
        *MOVING, "-vf", f"{TO_2020},{PQ}", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", params,
        "-tag:v", "hvc1", path,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def hlg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures in VP9 as HLG, which says so in the container's tags alone."""
    path = tmp_path_factory.mktemp("hlg") / "hlg.mkv"
    tags = PQ.replace("smpte2084", "arib-std-b67")
    clips.ffmpeg(*MOVING, "-vf", f"{TO_2020},{tags}", "-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "12", path)
    return path


def joined(path: Path, out: Path, settings: dict[str, Any], **run: Any) -> Path:
    """The output's pictures, encoded by the workers' commands and joined as a stitcher does."""
    usual = {"audio_codec": "none", "encoder_preset": FAST[settings.get("video_codec", "h264")]}
    title = one_title.planned(path, usual | settings, **run)
    film = title.pictured
    files = []
    for group in film.plan.groups:
        chunks = [out.with_name(f"{out.stem}-{c.number}.mp4") for c in film.plan.group_chunks(group)]
        argv = group_command(title, [0], group, chunks, out.with_name("witness"))
        ran = subprocess.run([ffmpeg.binary(), *argv], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        files += chunks
    times, base = output_times(film.shown, film.shown.seconds(0))
    track = VideoTrack(
        chunks=list(map(str, files)), time_base=base, times=times, last_duration=film.shown.last_duration, reorder=4
    )
    join(JoinRequest(video=track, path=str(out), format={".mkv": "matroska"}.get(out.suffix, out.suffix[1:])))
    configurations = {
        next(box(part.read_bytes(), kind) for kind in CONFIGURED if box(part.read_bytes(), kind)) for part in files
    }
    assert len(configurations) == 1, "chunks with different parameter sets"
    return out


CONFIGURED = (b"avcC", b"hvcC", b"av1C", b"vpcC")


def box(data: bytes, kind: bytes) -> bytes | None:
    """What is in the only box of that kind; none: there is none."""
    found = [at for at in starts(data, kind) if struct.unpack_from(">I", data, at - 4)[0] < len(data)]
    assert len(found) <= 1
    return data[found[0] + 4 : found[0] - 4 + struct.unpack_from(">I", data, found[0] - 4)[0]] if found else None


def starts(data: bytes, kind: bytes) -> Iterator[int]:
    at = data.find(kind, data.find(b"stsd"))
    while at >= 0:
        yield at
        at = data.find(kind, at + 4)


def tags(path: Path) -> str:
    """What ffmpeg says of the first picture's colours: range, matrix, primaries, transfer."""
    argv = [ffmpeg.binary(), "-nostdin", "-v", "info", "-i", str(path), "-frames:v", "1", "-vf", "showinfo=checksum=0"]
    said = subprocess.run([*argv, "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
    words = re.findall(r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)", said)
    return "/".join(words[0])


def average(path: Path) -> tuple[float, float, float]:
    """Average luma and chroma of the first picture."""
    argv = [ffmpeg.binary(), "-nostdin", "-v", "error", "-i", str(path), "-frames:v", "1"]
    argv += ["-vf", "signalstats,metadata=print:file=-", "-f", "null", "-"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    y, u, v = (float(re.findall(rf"signalstats\.{name}AVG=([\d.]+)", told)[0]) for name in "YUV")
    return y, u, v


@pytest.mark.parametrize("codec", ["h265", "av1", "vp9"])
def test_hdr10_is_carried_with_its_boxes(codec: str, hdr10: Path, tmp_path: Path) -> None:
    out = joined(hdr10, tmp_path / "out.mp4", {"video_codec": codec, "pix_fmt": "yuv420p10le"}, chunks=3)
    data = out.read_bytes()
    assert tags(out) == "tv/bt2020nc/bt2020/smpte2084"
    assert box(data, b"mdcv") == MDCV
    assert box(data, b"clli") == struct.pack(">2H", 1000, 400)
    assert (box(data, b"colr") or b"")[:10] == b"nclx" + struct.pack(">3H", 9, 16, 9)


def test_hlg_is_carried(hlg: Path, tmp_path: Path) -> None:
    out = joined(hlg, tmp_path / "out.mp4", {"video_codec": "h265", "bit_depth": 10}, chunks=2)
    assert tags(out) == "tv/bt2020nc/bt2020/arib-std-b67"
    assert (box(out.read_bytes(), b"colr") or b"")[:10] == b"nclx" + struct.pack(">3H", 9, 18, 9)


TONE = (
    "zscale=matrixin=bt2020nc:primariesin=bt2020:transferin={trc}:rangein=limited:transfer=linear:npl=100:agamma=0,"
    "format=gbrpf32le,zscale=primaries=bt709:agamma=0,tonemap=tonemap=hable:desat=0:peak=10,"
    "zscale=transfer=bt709:matrix=bt709:range=limited:agamma=0"
)
SCALER = "scale=w=160:h=90:flags=bicubic+accurate_rnd+full_chroma_int+bitexact"


@pytest.mark.parametrize("source", ["hdr10", "hlg"])
def test_eight_bits_are_tone_mapped_as_one_run_does(
    source: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(source)
    settings = {"qp": 0, "encoder_preset": "ultrafast", "width": 160, "audio_codec": "none"}
    found = one_title.encoded(path, settings, chunks=3)
    graph = f"{SCALER},{TONE.format(trc='smpte2084' if source == 'hdr10' else 'arib-std-b67')}"
    expected, _ = one_title.plain(path, graph, "yuv420p")
    assert (found.chunks, found.hashes) == (3, expected)
    out = joined(path, tmp_path / "out.mp4", {"width": 160}, chunks=2)
    assert tags(out) == "tv/bt709/bt709/bt709"
    assert [box(out.read_bytes(), kind) for kind in (b"mdcv", b"clli")] == [None, None]


def test_tone_mapping_gives_the_same_pixels_on_other_processors(hdr10: Path) -> None:
    graph = TONE.format(trc="smpte2084")
    found = set()
    for flags in ("sse4.2", "sse2", "0"):
        argv = [
            ffmpeg.binary(),
            "-nostdin",
            "-v",
            "error",
            "-cpuflags",
            flags,
            "-filter_threads",
            "1",
            "-i",
            str(hdr10),
        ]
        argv += ["-frames:v", "6", "-vf", f"{graph},format=yuv420p", "-f", "md5", "-"]
        found.add(subprocess.run(argv, capture_output=True, check=True).stdout)
    plain = [ffmpeg.binary(), "-nostdin", "-v", "error", "-filter_threads", "1", "-i", str(hdr10), "-frames:v", "6"]
    plain += ["-vf", f"{graph},format=yuv420p", "-f", "md5", "-"]
    found.add(subprocess.run(plain, capture_output=True, check=True).stdout)
    assert len(found) == 1


def test_without_tone_mapping_the_values_stay(hdr10: Path, tmp_path: Path) -> None:
    out = joined(hdr10, tmp_path / "out.mp4", {"tone_map": "off"})
    assert tags(out) == "tv/bt2020nc/bt2020/smpte2084"
    assert box(out.read_bytes(), b"mdcv") == MDCV


#: Pure red: what each matrix makes of it, in 8 bits of limited range (ITU-R BT.601, BT.709).
RED_601, RED_709 = (81, 90, 240), (63, 102, 240)


def red(path: Path, size: str, matrix: str, tagged: bool) -> Path:
    """A second of it, 4:2:0, whose tags say so or say nothing."""
    tag = f"setparams=range=tv:colorspace={matrix}:color_primaries={matrix}:color_trc={matrix}"
    silent = "setparams=range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
    graph = f"format=gbrp,scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p,{tag if tagged else silent}"
    clips.ffmpeg(
        *("-f", "lavfi", "-i", f"color=c=red:size={size}:rate=10:duration=1", "-vf", graph),
        *("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", path),
    )
    return path


@pytest.mark.parametrize(
    ("matrix", "tagged", "settings", "said", "figures"),
    [
        ("bt709", True, {"width": 320}, "bt709/bt709/bt709", RED_709),
        ("bt709", False, {"width": 320}, "bt709/bt709/bt709", RED_709),
        ("smpte170m", True, {"width": 320}, "smpte170m/smpte170m/smpte170m", RED_601),
        ("bt709", True, {"width": 320, "color_matrix": "size"}, "smpte170m/bt709/bt709", RED_601),
        ("bt709", True, {"color_matrix": "size"}, "bt709/bt709/bt709", RED_709),
        ("smpte170m", True, {"color_matrix": "bt709"}, "bt709/smpte170m/smpte170m", RED_709),
    ],
)
def test_the_tags_say_which_matrix_the_pixels_have(
    *, matrix: str, tagged: bool, settings: dict[str, Any], said: str, figures: tuple[int, int, int], tmp_path: Path
) -> None:
    source = red(tmp_path / "red.mp4", "1280x720", matrix, tagged)
    out = joined(source, tmp_path / "out.mp4", settings | {"qp": 0}, chunks=2)
    assert tags(out) == f"tv/{said}"
    assert average(out) == pytest.approx(figures, abs=1.5)


@pytest.mark.parametrize(
    ("size", "said", "figures"), [("1280x720", "bt709", RED_709), ("320x240", "smpte170m", RED_601)]
)
def test_rgb_gets_the_matrix_that_players_expect_at_its_size(
    size: str, said: str, figures: tuple[int, int, int], tmp_path: Path
) -> None:
    source = tmp_path / "red.mkv"
    clips.ffmpeg("-f", "lavfi", "-i", f"color=c=red:size={size}:rate=10:duration=1,format=gbrp", "-c:v", "ffv1", source)
    out = joined(source, tmp_path / "out.mp4", {"crf": 10})
    assert tags(out).startswith(f"tv/{said}/bt709/")
    assert average(out) == pytest.approx(figures, abs=2.5)


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "vp9"])
def test_full_range_stays_full(codec: str, tmp_path: Path) -> None:
    source = tmp_path / "full.mp4"
    graph = "format=gbrp,scale=out_color_matrix=bt709:out_range=pc,format=yuv420p"
    graph += ",setparams=range=pc:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    clips.ffmpeg(
        *("-f", "lavfi", "-i", "color=c=white:size=320x180:rate=10:duration=1", "-vf", graph),
        *("-c:v", "libx264", "-preset", "ultrafast", source),
    )
    out = joined(source, tmp_path / "out.mp4", {"video_codec": codec})
    assert tags(out) == "pc/bt709/bt709/bt709"
    assert average(out)[0] > 250


def test_an_overlay_has_the_films_matrix(tmp_path: Path) -> None:
    film, logo = red(tmp_path / "red.mp4", "1280x720", "bt709", tagged=True), tmp_path / "logo.png"
    clips.ffmpeg("-f", "lavfi", "-i", "color=c=red:size=1280x720", "-frames:v", "1", logo)
    made = carried_out(film, {"qp": 0, "overlays": [{"uri": str(logo)}], "audio_codec": "none"}, tmp_path).file
    assert average(made) == pytest.approx(RED_709, abs=1.5)


def test_a_codec_without_tags_gets_what_players_guess(tmp_path: Path) -> None:
    film = red(tmp_path / "red.mp4", "1280x720", "bt709", tagged=True)
    settings = {"container": "avi", "video_codec": "mpeg4", "width": 320, "audio_codec": "none"}
    made = carried_out(film, settings, tmp_path).file
    assert tags(made) == "unknown/unknown/unknown/unknown"
    assert average(made) == pytest.approx(RED_601, abs=2.5)


@pytest.mark.parametrize("container", ["webp", "png", "jpg"])
def test_a_still_has_the_colours_of_its_film(container: str, tmp_path: Path) -> None:
    """WebP and JPEG have BT.601, whatever the film has."""
    film = red(tmp_path / "red.mp4", "1280x720", "bt709", tagged=False)
    made = carried_out(film, {"container": container}, tmp_path).file
    argv = [ffmpeg.binary(), "-v", "error", "-i", str(made), "-vf", "scale=1:1", "-pix_fmt", "rgb24"]
    pixel = subprocess.run([*argv, "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    assert list(pixel) == pytest.approx([255, 0, 0], abs=6)


def dolby(path: Path, out: Path, profile: int, compatible: int) -> Path:
    """The same file, with a Dolby Vision configuration in its sample entry (and nothing that it configures)."""
    data = bytearray(path.read_bytes())
    record = bytes([1, 0, profile << 1, 6 << 3 | 0b101, compatible << 4]) + bytes(19)
    inside = struct.pack(">I4s", 8 + len(record), b"dvvC" if profile > 7 else b"dvcC") + record
    at, end, around = 0, len(data), []
    for kind, skipped in (
        (b"moov", 8),
        (b"trak", 8),
        (b"mdia", 8),
        (b"minf", 8),
        (b"stbl", 8),
        (b"stsd", 16),
        (b"hvc1", 0),
    ):
        while data[at + 4 : at + 8] != kind:
            at += struct.unpack_from(">I", data, at)[0]
        around.append(at)
        end = at + struct.unpack_from(">I", data, at)[0]
        at += skipped
    data[end:end] = inside
    for place in around:  # the index lies behind the packets, whose offsets stay
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(inside))
    out.write_bytes(data)
    return out


def test_dolby_vision_falls_back_to_its_base_layer(hdr10: Path, tmp_path: Path) -> None:
    source = dolby(hdr10, tmp_path / "dolby.mp4", 8, 1)
    settings = {"video_codec": "h265", "bit_depth": 10}
    title = one_title.planned(source, settings)
    (picture,) = title.pictured.pictures
    assert "Dolby Vision (profile 8.1) falls back to its base layer (HDR10)." in picture.look.told
    data = joined(source, tmp_path / "out.mp4", settings, chunks=2).read_bytes()
    assert box(data, b"mdcv") == MDCV
    assert b"dvvC" not in data
    with pytest.raises(InvalidSetting, match="profile 5"):
        one_title.planned(dolby(hdr10, tmp_path / "five.mp4", 5, 0), settings)


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm", "ts"])
def test_the_gate_reads_the_colours_back(container: str, hdr10: Path, tmp_path: Path) -> None:
    codec = "vp9" if container == "webm" else "h265"
    settings = {"container": container, "video_codec": codec, "encoder_preset": FAST[codec], "pix_fmt": "yuv420p10le"}
    made = carried_out(hdr10, settings, tmp_path)
    assert made.proof["colour"] == {
        "color_range": "tv", "color_space": "bt2020nc", "color_primaries": "bt2020", "color_transfer": "smpte2084",
    }  # fmt: skip


def test_the_gate_refuses_light_that_is_not_as_far_as_it_says(hdr10: Path) -> None:
    with av.open(str(hdr10)) as container:
        stream = container.streams.video[0]
        times = sorted(packet.pts for packet in container.demux(stream) if packet.size and packet.pts is not None)
        assert stream.time_base is not None
        track = VideoTrack(chunks=[], time_base=stream.time_base, times=times, last_duration=1, reorder=0)
    assert verify(VerifyRequest(path=str(hdr10), video=track, dynamic="PQ")).frames == 48
    with pytest.raises(VerificationFailed, match="says that its pictures are PQ; they are SDR"):
        verify(VerifyRequest(path=str(hdr10), video=track, dynamic="SDR"))
