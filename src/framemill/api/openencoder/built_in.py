"""The presets that every farm has. Pure."""

import json

from framemill.api.openencoder.preset_data import Preset


def _x264(number: int, name: str, *, height: int, profile: str, level: str, rate: str) -> Preset:
    words = [f"-vf scale=-2:{height}", "-c:v libx264", f"-profile:v {profile}", f"-level:v {level}"]
    words += ["-x264opts scenecut=0:open_gop=0:min-keyint=72:keyint=72"]
    words += [f"-{option} {rate}" for option in ("minrate", "maxrate", "bufsize", "b:v")]
    return _preset(number, name, [*words, "-y"], f"{name}.mp4")


def _preset(number: int, name: str, words: list[str], output: str) -> Preset:
    data = json.dumps({"raw": words}, separators=(",", ":"))
    return Preset(number=number, name=name, description=name, data=data, output=output)


_VP9 = ["-vf scale=-2:720", "-c:v libvpx-vp9", "-level:v 4.0", "-pix_fmt yuv420p", "-b:v 3000k", "-f webm", "-y"]

BUILT_IN = (
    _x264(1, "h264_baseline_360p_600", height=360, profile="baseline", level="3.0", rate="600k"),
    _x264(2, "h264_main_480p_1000", height=480, profile="main", level="3.1", rate="1000k"),
    _x264(3, "h264_main_720p_3000", height=720, profile="main", level="4.0", rate="3000k"),
    _x264(4, "h264_main_1080p_6000", height=1080, profile="main", level="4.2", rate="6000k"),
    _preset(5, "webm_vp9_720p_3000", _VP9, "webm_vp9_3000_720.webm"),
)
"""Those that the original brings along, by its numbers."""
