"""The picture of an evaluation: it is drawn where asked, shows every system, and mistakes are told first."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from service.ratings import create
from standings.errors import Mistake
from standings.evaluation import evaluations_of
from standings.files.source import Source
from standings.play import play_file
from standings.plot import check_picture, draw


def games(folder: Path, count: int, days: int) -> Source:
    """Matches of five players, so many days between."""
    path = folder / "games.ndjson"
    lines = []
    for number in range(count):
        names = f"p{number % 5}", f"p{number * number % 4 + 5}"
        sides = [{"players": [name], "rank": 1 + (number * place) % 2} for place, name in enumerate(names, 1)]
        lines.append(json.dumps({"pool": "chess", "at": number * days * 86_400_000, "sides": sides}))
    path.write_text("\n".join(lines))
    return Source(file=str(path))


@pytest.mark.parametrize(
    ("count", "days", "axis"), [(900, 10, "year"), (900, 0, "matches before"), (0, 0, ""), (1, 0, "")]
)
def test_a_picture_shows_every_system(tmp_path: Path, count: int, days: int, axis: str) -> None:
    played = play_file(games(tmp_path, count, days), [create("elo"), create("glicko2")])
    answer, blocks = evaluations_of(played), played.course.blocks()
    for name in ("a.png", "a.SVG"):
        check_picture(tmp_path / name)
        draw(tmp_path / name, answer, blocks)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "a.SVG").read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    for word in ("elo", "glicko2", "Calibration", "Log-loss over time", axis):
        assert f"<!-- {word}" in text


def test_what_cannot_be_drawn_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Mistake, match=r"--plot picture\.gif: a picture is a \.png or \.svg file"):
        check_picture(Path("picture.gif"))
    with pytest.raises(Mistake, match="there is no folder "):
        check_picture(tmp_path / "nowhere" / "a.png")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(Mistake, match=r"--plot needs matplotlib: pip install 'standings\[plot\]'"):
        check_picture(tmp_path / "a.png")


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    played = play_file(games(tmp_path, 3, 0), [create("elo")])
    (tmp_path / "a.png").mkdir()
    with pytest.raises(Mistake, match=r"--plot .*a\.png: Is a directory"):
        draw(tmp_path / "a.png", evaluations_of(played), played.course.blocks())
