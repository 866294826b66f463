"""What every rating system predicted of the real match data, as a table in ``docs/rating-systems.md``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.report import into_page
from service.ratings import create, systems
from standings.evaluation import Difference, Evaluations, evaluate_file
from standings.files.source import Source

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "rating-systems.md"
BEGIN: Final = "<!-- what it predicted: written by make bench ARGS=systems -->"
END: Final = "<!-- end of what it predicted -->"


class File(NamedTuple):
    """A file of matches: what the table calls it, its name, how it is read, the seed of its order if shuffled."""

    title: str
    name: str
    options: dict[str, Any]
    shuffle: int | None = None

    def source(self, folder: Path) -> Source:
        """Give the file in a folder, read whole or not at all."""
        return Source(file=str(folder / self.name), strict=True, **self.options)


FILES: Final = (
    File(
        "football",
        "football_international.csv",
        {
            "side": ("home_team:home_score", "away_team:away_score"),
            "at": "date",
            "pool": "football",
            "home": 0,
            "neutral": "neutral=TRUE",
        },
    ),
    File(
        "NFL",
        "nfl_games.csv",
        {"side": ("team1:score1", "team2:score2"), "at": "date", "home": 0, "neutral": "neutral=1"},
    ),
    File(
        "Halo, duels",
        "halo2_head_to_head.csv",
        {"side": ("player_1:score_1", "player_2:score_2"), "at": "end_time", "id": "id", "pool": "halo"},
    ),
    File("Halo, teams", "halo2_large_team.ndjson", {"preset": "teams"}),
    File("Codeforces", "codeforces_contests.ndjson.gz", {"preset": "contests"}),
    # Votes on one question stand together and tell of each other.
    File("LLM votes", "llm_votes.csv", {"preset": "votes", "at": "2023-10-01"}, shuffle=1),
)


def run() -> None:
    """Evaluate all systems on all files and write the tables into the page."""
    if not DATA.is_dir():
        print(f"systems: no match data beside the checkout, {DATA} is missing; the page stays as it is")
        return
    found = [
        evaluate_file(one.source(DATA), [create(name) for name in systems()], fitting=True, shuffle=one.shuffle)
        for one in FILES
    ]
    tables = written([one.title for one in FILES], found)
    into_page(PAGE, BEGIN, END, tables)
    print(tables)


def written(titles: Sequence[str], found: Sequence[Evaluations]) -> str:
    """Write the log-loss of every system on every file: two-way, then of win, tie and loss."""
    three_way = [index for index, answer in enumerate(found) if answer.systems[0].three_way_log_loss is not None]
    return "\n\n".join(
        (
            "Log-loss, a tie being one half:",
            _table(titles, found, "log_loss"),
            "Three-way log-loss, of win, tie and loss:",
            _table([titles[index] for index in three_way], [found[index] for index in three_way], "three_way_log_loss"),
        )
    )


def _table(titles: Sequence[str], found: Sequence[Evaluations], score: str) -> str:
    rows = [["", *titles], ["---"] * (len(titles) + 1)]
    rows += [[f"`{name}`", *(_cell(name, answer, score) for answer in found)] for name in systems()]
    counts = [max(one.scored for one in answer.systems) for answer in found]
    rows.append(["matches", *(f"{count:,}" for count in counts)])
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)


def _cell(name: str, answer: Evaluations, score: str) -> str:
    """Write a system's score, in bold where no other one is better beyond doubt."""
    value = next((getattr(one, score) for one in answer.systems if one.system == name), None)
    if value is None:
        return "-"
    differences = answer.differences if score == "log_loss" else answer.three_way_differences
    apart = next((one for one in differences if one.system == name), None)
    return f"**{value:.4f}**" if apart is None or not _surely(apart) else f"{value:.4f}"


def _surely(apart: Difference) -> bool:
    return apart.low is not None and apart.low > 0.0
