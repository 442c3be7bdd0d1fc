"""The names that manifests give codecs (RFC 6381), read from a track's decoder configuration record."""

from typing import Any


def codec_name(stream: Any) -> str:
    """The `codecs` parameter of a track."""
    name, record = stream.codec_context.name, stream.codec_context.extradata or b""
    if name == "h264":
        return "avc1." + record[1:4].hex().upper()
    if name == "hevc":
        return _hevc_name(record)
    if "av1" in name:  # AV1 in ISOBMFF, 5: profile, level, tier, bit depth
        tier, depth = ("H" if record[2] & 128 else "M"), (10 if record[2] & 64 else 8)
        return f"av01.{record[1] >> 5}.{record[1] & 31:02d}{tier}.{depth:02d}"
    return _SOUND.get(name, str(name))


_SOUND = {"aac": "mp4a.40.2", "ac3": "ac-3", "eac3": "ec-3"}


def _hevc_name(record: bytes) -> str:
    """ISO/IEC 14496-15, E.3: profile, its compatibility flags in reverse bit order, tier and level, constraints."""
    flags = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    tier = "H" if record[1] & 32 else "L"
    constraints = "".join(f".{byte:X}" for byte in record[6:12].rstrip(b"\0"))
    return f"hvc1.{record[1] & 31}.{flags:X}.{tier}{record[12]}{constraints}"
