"""What ffmpeg's complaints mean, and which pictures a damaged source has lost."""

import pytest

from framemill.media.damage import Complaints, Damage, Located, assess, complaints, lost_packets

H264 = "[h264 @ 0x55f0] [error] error while decoding MB 75 41, bytestream -24"
PATCHED = "[vist#0:0/h264 @ 0x55f0] [dec:h264 @ 0x55f1] [warning] corrupt decoded frame"
REFUSED = "[vist#0:0/h264 @ 0x5] [dec:h264 @ 0x6] [error] Error submitting packet to decoder: Invalid data found"
PARTIAL = "[in#0/mov,mp4 @ 0x5] [error] stream 0, offset 0xf7b33: partial file"


@pytest.mark.parametrize(
    ("said", "harm"),
    [
        ("", False),
        (H264, False),  # a decoder may complain, and lose nothing
        (PATCHED, False),  # ffmpeg's own guess, while the decoder says nothing
        (f"{H264}\n{PATCHED}", True),
        (REFUSED, True),
        (PARTIAL, True),
        ("[matroska @ 0x5] [error] File ended prematurely at pos. 100", True),
        ("[in#0 @ 0x5] [warning] Packet corrupt (stream = 1, dts = 982140).", False),
        ("Svt[info]: SVT [version]: SVT-AV1 Encoder Lib v3\nSvt[warn]: something", False),
    ],
)
def test_damage_is_what_loses_something_and_is_complained_of(said: str, harm: bool) -> None:
    assert complaints(said).of_damage is harm


def test_what_a_library_writes_by_itself_is_no_complaint() -> None:
    assert complaints("Svt[info]: SVT [version]: SVT-AV1 Encoder Lib v3").lines == ()


def test_complaints_are_counted_and_told_without_who_said_them() -> None:
    assert complaints("\n".join([H264, PATCHED, PATCHED, REFUSED, PARTIAL])) == Complaints(
        patched=2,
        refused=1,
        cut_short=True,
        lines=(
            "error while decoding MB 75 41, bytestream -24",
            "Error submitting packet to decoder: Invalid data found",
            "stream 0, offset 0xf7b33: partial file",
        ),
    )


def located(packets: str, frames: str) -> Located:
    """`K`: keyframe, `P`: other, `x`: refused; `.`: a frame, `c`: a corrupt one, `-`: none; a second each."""
    shown = [(float(at), kind == "c") for at, kind in enumerate(frames) if kind != "-"]
    return Located(
        packets=[float(at) for at in range(len(packets))],
        key=[kind == "K" for kind in packets],
        refused=[kind == "x" for kind in packets],
        frames=[time for time, _ in shown],
        corrupt=[bad for _, bad in shown],
    )


@pytest.mark.parametrize(
    ("packets", "frames", "missing", "patched", "leading"),
    [
        ("KPPKPP", "......", (), (), 0),
        ("KPPKPP", "..-...", (2.0,), (), 0),
        ("KPPKPP", "..-.c-", (2.0, 5.0), (4.0,), 0),
        ("PPPKPP", "---...", (), (), 3),  # a broadcast that was cut: no player can show these
        ("PPPKPP", "-cc..-", (5.0,), (), 3),
        ("KPPKPP", "---...", (0.0, 1.0, 2.0), (), 0),  # the first keyframe is among what is lost
    ],
)
def test_what_is_lost_is_named_by_its_time(
    packets: str, frames: str, missing: tuple[float, ...], patched: tuple[float, ...], leading: int
) -> None:
    damage = assess(located(packets, frames), Complaints(lines=("why",)))
    assert (damage.missing, damage.patched, damage.leading) == (missing, patched, leading)


def test_packets_without_times_are_counted_only() -> None:
    found = located("KPxPx", ".....").model_copy(update={"packets": [None] * 5})
    damage = assess(found, Complaints(refused=2))
    assert (damage.missing, damage.unplaced, damage.harms) == ((), 2, True)


def test_leading_pictures_alone_do_no_harm() -> None:
    assert not Damage(leading=7).harms
    assert Damage(cut_short=True).harms


def test_damage_tells_how_much_and_where() -> None:
    assert str(Damage(missing=(3.5,), patched=(1.25, 2.0), cut_short=True)) == (
        "1 picture is missing; 2 pictures are decoded only in part; it ends before what it promises; "
        "the first at 1.250 s"
    )


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        (Complaints(), ""),
        (Complaints(refused=2, lines=("why",)), ""),  # where a broadcast was cut
        (Complaints(refused=3, lines=("why",)), "3 packets of it do not decode (why)"),
        (Complaints(cut_short=True, lines=("why",)), "it ends before what it promises (why)"),
    ],
)
def test_sound_is_damaged_by_more_than_its_ends(said: Complaints, lost: str) -> None:
    assert lost_packets(said) == lost
