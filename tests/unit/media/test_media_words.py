"""Whatever somebody types for ffmpeg, only what our own tables make reaches its command line."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from framemill.errors import SourceUnreadable, WrongUse
from framemill.jobs.encoders.table import ENCODERS
from framemill.jobs.settings import OutputSettings, RunSettings, apply_assignments
from framemill.jobs.words.readers import READERS
from framemill.jobs.words.reading import changes, read_words
from framemill.jobs.words.refused import WHY
from framemill.media.encode import group_command
from framemill.media.index import FrameIndex, SeekPoint
from framemill.media.sound import Prepared, remux_command, sound_command
from framemill.media.source import Source
from framemill.media.title import plan_title

INDEX = FrameIndex(
    time_base=Fraction(1, 25),
    pts=tuple(range(10, 110)),
    last_duration=1,
    seek_points=(SeekPoint(pts=10, frame=0, clean=True), SeekPoint(pts=60, frame=50, clean=True)),
    source="packets",
    why="",
)
OURS = {"/in.mkv", "/out", "/0.mp4", "/1.mp4", "/witness"}
#: What an argument may look like that a word has had a part in.
PLAIN = re.compile(r"-?[A-Za-z0-9_.,:=+-]+")
#: The graphs are ours but for the numbers and names in them.
GRAPH = re.compile(r"(\[[A-Za-z0-9:]+\]|[a-z]+=[A-Za-z0-9_.,:=+()|\\/-]+|[;,]|split)+")

HOSTILE = [
    "/etc/passwd", "file:/etc/passwd", "https://example.org/x", "movie=/etc/passwd", "scale=640:360,movie=/etc/passwd",
    "scale=640:360[a];movie=x[b]", "me=umh:stats=/tmp/x", "ref=2:qpfile=x", "csv=x.csv", "dump-yuv=/x", "concat:a|b",
    "pipe:1", "yuv420p;rm", "libx264:/x", "1M/../../x", "1e9", "-1", "\n", "", "٣", "%d", "`id`", "a=b=c", "../x",
]  # fmt: skip
GOOD = [
    "20", "0", "1", "128k", "2M", "veryfast", "8", "film", "main", "4.1", "48", "yuv420p", "1280x720", "copy", "aac",
    "libx264", "libx265", "libsvtav1", "libvpx-vp9", "libopus", "scale=-2:360", "scale=640:360", "+faststart", "hvc1",
    "me=umh:ref=2", "no-sao=1", "tune=0", "good", "1,1", "none", "keyint=48:scenecut=0",
]  # fmt: skip
options = st.sampled_from(
    [f"-{name}{':' + stream if stream else ''}" for name, stream in READERS]
    + [f"-{key}" for encoder in ENCODERS.values() for key in encoder.keys]
    + [f"-{name}" for name in WHY]
    + ["-vcodec", "-vf", "-af", "-/filter:v", "--crf", "-b:v:0", "-b:v:1", "-c:s"]
)
values = st.sampled_from(GOOD) | st.sampled_from(HOSTILE) | st.text(max_size=12)
keys = st.sampled_from([key for encoder in ENCODERS.values() for key in (*encoder.keys, *encoder.ours)])
params = st.tuples(
    st.sampled_from([f"-{option}" for encoder in ENCODERS.values() for option in encoder.params]),
    st.lists(st.tuples(keys, values).map("=".join), min_size=1, max_size=3).map(":".join),
)
wild = st.tuples(options, values) | params | st.sampled_from(HOSTILE).map(lambda word: (word,))
tame = st.sampled_from(
    """-crf 20;-preset fast;-vf scale=-2:180;-s 320x240;-g 48;-maxrate 2M -bufsize 4M;-b:a 96k;-ac 1;-ar 22050;-an;-sn
    -c:v libx265;-c:v libx264;-level 4.1;-bf 2;-refs 3;-pix_fmt yuv420p;-c:a libopus;-movflags +faststart;-vcodec hevc
    -x264-params me=umh:ref=2:deblock=1,1;-x265-params no-sao=1:aq-mode=3;-tune grain""".replace("\n", ";").split(";")
).map(lambda text: tuple(text.split()))
words = st.lists(tame, max_size=5) | st.lists(tame | wild, max_size=4)


def commands(source: Source, output: OutputSettings) -> list[list[str]]:
    """Every command that this output leads to."""
    title = plan_title(source, INDEX, output, RunSettings(chunks=2), "build")
    sounds = [Prepared(voice) for voice in title.voices]
    found = [remux_command(source, sounds, output, Path("/out"))] if output.video_codec == "copy" else []
    found += [sound_command(source, sound, output, Path("/out")) for sound in sounds]
    if title.film is not None:
        for group in title.film.plan.groups:
            drafts = [Path(f"/{chunk.number}.mp4") for chunk in title.film.plan.group_chunks(group)]
            found.append(group_command(title, [0], group, drafts, Path("/witness")))
    return found


def refusal(source: Source, line: list[str]) -> str:
    """What is said when the words are refused; empty when they are taken, and nothing in any command is theirs."""
    try:
        changed = changes(read_words(line), OutputSettings(), {})
        output, _ = apply_assignments(OutputSettings(), RunSettings(), changed)
        made = commands(source, output)
    except (WrongUse, SourceUnreadable) as refused:  # -ss 20 is good, but for a source that is shorter
        return refused.message
    for argv in made:
        for before, argument in zip(["", *argv], argv, strict=False):
            shapes = {"-map": [GRAPH, PLAIN], "-filter_complex": [GRAPH]}.get(before, [PLAIN])
            assert argument in OURS or any(shape.fullmatch(argument) for shape in shapes), argument
        text = "\0".join(argument for argument in argv if argument not in OURS)
        assert not re.search("://|file:|movie|passwd|stats|qpfile|csv|dump|pipe|concat|etc", text)
    return ""


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(words)
@example([("-ss", "20")])
def test_no_list_of_words_reaches_ffmpeg_but_through_our_tables(source: Source, words: list[tuple[str, ...]]) -> None:
    said = refusal(source, [word for pair in words for word in pair])
    assert said.isprintable()
    assert len(said) < 1000
    event("refused" if said else "taken")


@pytest.mark.parametrize(
    "line",
    [
        "-c:v libx265 -crf 20 -preset slow -vf scale=-2:180 -c:a libopus -b:a 96k -ac 1",
        "-c:v libsvtav1 -svtav1-params tune=0:film-grain=8 -level 4.0 -g 48",
        "-c:v libvpx-vp9 -crf 30 -b:v 1M -cpu-used 5 -deadline best -tile-columns 1",
        "-x264-params me=umh:psy-rd=1.0,0.15:deblock=-1,-1 -maxrate 1M -bufsize 2M -tune zerolatency",
        "-c:v copy -c:a aac -ac 1 -ar 22050",
        "-vn -c:a flac",
    ],
)
def test_what_people_type_is_taken(line: str, source: Source) -> None:
    assert refusal(source, line.split()) == ""


@pytest.mark.parametrize("option", [f"-{name}{':' + stream if stream else ''}" for name, stream in READERS])
def test_no_option_takes_what_is_hostile(option: str, source: Source) -> None:
    for encoder in ENCODERS.values():
        for value in HOSTILE:
            if not refusal(source, ["-c:v", encoder.name, option, value]):
                assert value in {"-1", "1e9"}
