"""What may be compared, where the page goes, and what the page holds."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from framemill.cli.compare import parse_seams
from framemill.errors import OutputError, SourceMissing, WrongUse
from framemill.services.comparing import CompareRequest, compare_request
from framemill.services.comparison_page import Place, Shot, render, worth_a_look
from framemill.services.comparison_words import figure_rows, film_rows, notes

NASTY = '<script>alert("1")<b>&.mp4'


@pytest.fixture
def films(tmp_path: Path) -> tuple[str, str]:
    for name in ("a.mp4", "b.v2.mp4"):
        (tmp_path / name).write_bytes(b"film")
    return str(tmp_path / "a.mp4"), str(tmp_path / "b.v2.mp4")


def test_the_page_goes_beside_b(films: tuple[str, str], tmp_path: Path) -> None:
    assert compare_request(*films) == CompareRequest(*films, tmp_path / "b.v2.compare.html")
    assert compare_request(*films, usual_page=False).page is None
    named = compare_request(*films, page=str(tmp_path / "new" / "c.html"), usual_page=False)
    assert named.page == tmp_path / "new" / "c.html"


def test_of_a_package_its_mp4_is_meant_and_the_page_goes_beside_the_folder(
    films: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "video.mp4").write_bytes(b"film")

    asked = compare_request(films[0], str(tmp_path / "pack") + "/")

    assert asked.distorted == str(tmp_path / "pack" / "video.mp4")
    assert asked.page == tmp_path / "pack.compare.html"


def test_a_page_that_would_overwrite_a_film_is_refused(films: tuple[str, str]) -> None:
    with pytest.raises(WrongUse, match=r"ends in \.html"):
        compare_request(*films, page=films[1])


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_measured(
    films: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "is.html").mkdir()
    with pytest.raises(OutputError, match="name another with -o"):
        compare_request(*films, page=str(tmp_path / "is.html"))
    with pytest.raises(OutputError, match="name another with -o"):
        compare_request(*films, page=f"{films[0]}/page.html")


def test_what_is_not_there_is_said(films: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="no file"):
        compare_request(str(tmp_path / "nothing.mp4"), films[1])
    with pytest.raises(SourceMissing, match=tmp_path.name):
        compare_request(films[0], str(tmp_path))


def test_seams_come_from_the_report_of_an_encode(films: tuple[str, str], tmp_path: Path) -> None:
    chunks = [{"first": 0, "end": 120}, {"first": 120, "end": 250}]
    (tmp_path / "report.json").write_text(json.dumps({"plan": {"chunks": chunks}}))

    asked = compare_request(*films, report=str(tmp_path / "report.json"))

    assert (asked.seams, asked.seams_from, asked.encoded_frames) == ((0, 120), "report", 250)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"plan": {"chunks": []}}', '{"plan": {"chunks": [{"first": "x"}]}}'])
def test_what_is_no_report_is_refused(text: str, films: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)

    with pytest.raises(WrongUse, match="no report that tells of chunks"):
        compare_request(*films, report=str(tmp_path / "report.json"))


def test_seams_are_named_in_one_way(films: tuple[str, str], tmp_path: Path) -> None:
    assert compare_request(*films, seams=[120]).seams_from == "given"
    with pytest.raises(WrongUse, match="give one of them"):
        compare_request(*films, seams=[120], report="report.json")
    with pytest.raises(SourceMissing, match="cannot be read"):
        compare_request(*films, report=str(tmp_path / "nothing.json"))


def test_seams_are_frame_numbers_with_commas() -> None:
    assert parse_seams("120, 240") == [120, 240]
    assert parse_seams(None) is None
    for wrong in ("", "120,", "1.5", "-3", "٣"):
        with pytest.raises(WrongUse, match="frame numbers"):
            parse_seams(wrong)


def facts(frames: int = 100, **changes: Any) -> dict[str, Any]:
    """Of two films at 25 frames a second: all frames are good but frame 60."""
    film = {"size": 4_000_000, "bit_rate": 1_000_000, "seconds": frames / 25, "frames": frames, "codec": "h264"}
    picture = {"width": 1920, "height": 1080, "pix_fmt": "yuv420p"}
    vmaf = [90.0] * frames
    vmaf[60] = 40.0
    return {
        "reference": {"path": f"/films/{NASTY}", **film, **picture},
        "distorted": {"path": "/films/b.mp4", **film, **picture, "size": 1_000_000},
        "paired_by": "order",
        "pairs": frames,
        "model": "vmaf_v0.6.1",
        "psnr": {"mean": 41.0},
        "ssim": {"mean": 0.98},
        "vmaf": {
            "mean": 89.5,
            "p1": 89.0,
            "lowest": {"frame": 60, "seconds": 2.4, "vmaf": 40.0},
            "worst_second": {"seconds": 1.44, "first": 36, "end": 61, "vmaf": 88.0},
        },
        "seams": {"from": "keyframes", "frames": [50]},
        "around_seams": {"seams": 1, "vmaf": 88.0, "p5": 60.0, "lowest": 40.0, "worst": {"frame": 50, "vmaf": 88.0}},
        "frames": {
            "seconds": [number / 25 for number in range(frames)],
            "psnr": [41.0] * frames,
            "ssim": [0.98] * frames,
            "vmaf": vmaf,
        },
    } | changes


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


SHOTS = [Shot(Place("The worst frame", 60), b"RIFF-a", b"RIFF-b")]


def test_a_page_needs_nothing_else() -> None:
    page = render(facts(), SHOTS)

    assert not re.search(r"https?:|//[a-z]", page)
    addresses = [
        value
        for _, attributes in Elements(page).found
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action"}
    ]
    assert [str(address)[:23] for address in addresses] == ["data:image/webp;base64,"] * 2


def test_a_file_name_is_text_and_never_code() -> None:
    page = render(facts(), SHOTS)

    elements = Elements(page)
    assert [tag for tag, _ in elements.found].count("script") == 1
    assert NASTY in elements.text


def test_a_page_draws_the_curve_and_lets_it_be_read() -> None:
    elements = Elements(render(facts(), SHOTS))

    kinds = {attributes.get("class") for _, attributes in elements.found}
    assert {"curve", "seams", "shaded", "level", "cross", "dot"} <= kinds
    script = re.search(r"const plot = (\{.*\});", elements.text)
    assert script is not None
    plot = json.loads(script[1])
    assert plot["points"][60] == [2.4, 60, 40.0, 41.0]
    assert (plot["low"], plot["high"], plot["seconds"]) == (40, 100, 4)


def test_a_long_film_is_thinned_and_keeps_its_worst_frame() -> None:
    page = render(facts(200_000), SHOTS)

    points = json.loads(re.search(r"const plot = (\{.*\});", page)[1])["points"]  # type: ignore[index]
    assert len(points) <= 4000
    assert [2.4, 60, 40.0, 41.0] in points
    assert len(page) < 400_000


def test_worth_a_look_are_the_worst_frame_and_both_sides_of_the_worst_seam() -> None:
    assert [place.frame for place in worth_a_look(facts())] == [60, 49, 50]
    assert [place.frame for place in worth_a_look(facts(around_seams=None))] == [60]


def test_without_seams_a_page_speaks_of_none() -> None:
    alone = facts(around_seams=None, seams={"from": "keyframes", "frames": []})

    assert "seam" not in " ".join(row.name for row in figure_rows(alone))
    assert 'class="seams"' not in render(alone, [])


def test_the_words_say_how_it_was_measured() -> None:
    smaller = facts()["distorted"] | {"width": 1280, "height": 720, "pix_fmt": "yuv420p10le", "frames": 50}
    said = " ".join(notes(facts(distorted=smaller, paired_by="time", pairs=50)))

    assert "A has 100 frames and B has 50: 50 of B's were compared" in said
    assert "B was scaled from 1280×720 to A's 1920×1080." in said
    assert "B was converted from yuv420p10le to A's yuv420p." in said
    assert "B's keyframes" in said
    assert "Both have 100 frames, compared in their order." in notes(facts())


def test_the_figures_say_where() -> None:
    rows = {row.name: (row.value, row.remark) for row in figure_rows(facts())}

    assert rows["VMAF worst second"] == ("88.00", "from 0:01.4 on")
    assert rows["VMAF worst frame"] == ("40.00", "frame 60 at 0:02.4")
    assert rows["VMAF around the seams"] == ("88.00", "24 frames behind each of 1 seam")
    assert rows["VMAF behind the worst seam"] == ("88.00", "at frame 50, 0:02")
    sizes = next(row for row in film_rows(facts()) if row.name == "size")
    assert sizes == ("size", "4.0 MB", "1.0 MB (25 %)")
