"""The tables of what each system predicted: nothing is missing on the page, and bold means what it says."""

import re

from benchmarks.systems import BEGIN, END, FILES, PAGE, written
from service.ratings import systems
from standings.evaluation import Difference, Evaluation, Evaluations, Resampled


def test_the_page_has_every_system_and_every_file() -> None:
    _, begin, rest = PAGE.read_text().partition(BEGIN)
    tables, end, _ = rest.partition(END)
    assert (begin, end) == (BEGIN, END)
    two_way, three_way = re.findall(r"^\| \|(.*)\n\| ---.*\n((?:\| `.*\n)+)\| matches ", tables, re.MULTILINE)
    for _, rows in (two_way, three_way):
        assert re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE) == list(systems())
    assert [title.strip() for title in two_way[0].strip(" |").split("|")] == [one.title for one in FILES]


def evaluation(system: str, log_loss: float, three_way: float | None) -> Evaluation:
    return Evaluation(system, 1_000, 990, log_loss, three_way, None, None, [], None)


def test_bold_is_who_may_be_the_best() -> None:
    duels = Evaluations(
        [evaluation("elo", 0.51, 0.8), evaluation("glicko2", 0.5, 0.9)],
        [Difference("elo", "glicko2", 0.01, -0.001, 0.021)],
        [Difference("glicko2", "elo", 0.1, 0.05, 0.15)],
        Resampled("matches", 60),
    )
    contests = Evaluations([evaluation("elo", 0.6, None)], [], [], Resampled("year", 9))
    lines = written(["duels", "contests"], [duels, contests]).splitlines()
    assert "| | duels | contests |" in lines
    assert "| `elo` | **0.5100** | **0.6000** |" in lines
    assert "| `glicko2` | **0.5000** | - |" in lines
    assert "| matches | 990 | 990 |" in lines
    after = lines[lines.index("Three-way log-loss, of win, tie and loss:") :]
    assert [line for line in after if "`" in line and ("elo" in line or "glicko2" in line)][:1] == [
        "| `elo` | **0.8000** |"
    ]
    assert "| `glicko2` | 0.9000 |" in after
