"""What an encoder's own keys mean here, said as options of ffmpeg's or in `-x264-params` and its like."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from framemill.jobs.encoders.notation import split_params
from framemill.jobs.encoders.table import ENCODERS, misfit_key
from framemill.jobs.words.said import Changes, Chosen, Said


def key_option(said: Said, chosen: Chosen) -> Changes:
    """An option of ffmpeg's that sets a key of the encoder's own."""
    encoder = chosen.encoder(said)
    if said.name not in encoder.options:
        said.refuse(f"{encoder.name} has no such option")
    keys = _let_through(said, chosen.video, encoder.options[said.name], said.value.replace(":", ","))
    return {"encoder_options": keys}


def params_option(said: Said, chosen: Chosen) -> Changes:
    """Keys of the encoder's own, some of which are fields here."""
    encoder = chosen.encoder(said)
    if said.name not in encoder.params:
        said.refuse(f"{encoder.name} has no such option")
    found: Changes = {}
    keys: dict[str, str] = {}
    for typed, value in split_params(said.value):
        key = _SYNONYMS.get(typed, typed) if chosen.video in {"h264", "h265"} else typed
        bare = key.removeprefix("no-")
        if bare != key and value == "1" and (bare in encoder.keys or bare in encoder.ours) and key not in encoder.keys:
            keys |= _let_through(said, chosen.video, bare, "0")
        elif key in _FIELDS and chosen.video in {"h264", "h265"}:
            name, unit = _FIELDS[key]
            found[name] = str(int(value) * unit) if re.fullmatch("[0-9]{1,7}", value) else value
        else:
            keys |= _let_through(said, chosen.video, key, value)
    return found | {"encoder_options": keys}


def _let_through(said: Said, codec: str, key: str, value: str) -> dict[str, str]:
    if ENCODERS[codec].ours.get(key) == value:
        return {}  # it is so anyway
    if (why := misfit_key(codec, key, value)) is not None:
        said.refuse(why)
    return {key: value}


#: Names that x264 and x265 know beside the usual ones.
_SYNONYMS = MappingProxyType(
    {
        "keyint-min": "min-keyint", "frameref": "ref", "partitions": "analyse", "weight-b": "weightb",
        "level": "level-idc", "qp-min": "qpmin", "qp-max": "qpmax", "qp-step": "qpstep", "ip-factor": "ipratio",
        "pb-factor": "pbratio", "cplx-blur": "cplxblur", "numa-pools": "pools", "direct-pred": "direct",
    }
)  # fmt: skip
#: Keys of x264 and x265 that are fields here, and how many bits one of theirs is.
_FIELDS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "crf": ("crf", 1), "qp": ("qp", 1), "keyint": ("gop_frames", 1), "level-idc": ("level", 1),
        "bitrate": ("bitrate", 1000), "vbv-maxrate": ("maxrate", 1000), "vbv-bufsize": ("bufsize", 1000),
    }
)  # fmt: skip
