"""How well `kalman` predicts real matches, each before its result."""

import csv
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from service.columns import Matches, lay_out
from service.match import Match
from service.rate import empty, rate
from service.ratings import create
from service.score import Losses
from standings.files.rows import Rows
from standings.files.source import Source

FILES: dict[str, dict[str, Any]] = {
    "football_international.csv": {
        "side": ("home_team:home_score", "away_team:away_score"), "at": "date", "home": 0, "neutral": "neutral=TRUE",
    },
    "nfl_games.csv": {
        "side": ("team1:score1", "team2:score2"), "at": "date", "home": 0, "neutral": "neutral=1", "pool": "nfl",
    },
    "halo2_head_to_head.csv": {
        "side": ("player_1:score_1", "player_2:score_2"), "at": "end_time", "id": "id", "pool": "halo",
    },
    "halo2_large_team.ndjson": {"preset": "teams"},
    "codeforces_contests.ndjson.gz": {"preset": "contests"},
    "llm_votes.csv": {"preset": "votes", "at": "2023-10-01"},
}  # fmt: skip


def predicted(data: Path, name: str, *, shuffled: bool = False, most: int | None = None) -> tuple[Losses, Matches]:
    """How well the defaults predict a file, match by match before each result."""
    options = {"pool": "pool", **FILES[name]}
    with Rows(Source(file=str(data / name), strict=True, **options)) as rows:
        found = islice((row.found for block in rows.blocks() for row in block), most)
        matches = [match for match in found if isinstance(match, Match)]
    if shuffled:
        matches = [matches[place] for place in np.random.default_rng(1).permutation(len(matches))]
    rows_of: dict[str, int] = {}
    players = [
        rows_of.setdefault(name, len(rows_of)) for match in matches for side in match.sides for name in side.players
    ]
    columns, system = lay_out(matches, players), create("kalman")
    return rate(system, columns, empty(system, len(rows_of))), columns


def test_football_is_predicted(data: Path) -> None:
    """From 1990 on; Elo with a home advantage has .9148, base rates 1.0493."""
    losses, columns = predicted(data, "football_international.csv")
    late = columns.at >= 631_152_000_000
    assert late.sum() == 32_402
    assert losses.three_way[late].mean() < 0.8755


def test_american_football_is_predicted(data: Path) -> None:
    """The seasons 1990 to 2020; the forecasts published beside the results have .62776 and a Brier score of .21867."""
    losses, columns = predicted(data, "nfl_games.csv")
    with (data / "nfl_games.csv").open(newline="", encoding="utf-8") as file:
        late = np.array([1990 <= int(row["season"]) <= 2020 for row in csv.DictReader(file)])
    assert late.sum() == 8_031
    assert losses.two_way[late].mean() < 0.6252
    # What chance the loss was of, and so how far from the result: of a tie it is -log(chance (1 - chance)) / 2.
    tied = columns.rank[::2] == columns.rank[1::2]
    square = np.where(tied, 0.25 - np.exp(-2 * losses.two_way), (1 - np.exp(-losses.two_way)) ** 2)
    assert square[late].mean() < 0.2175


def test_halo_and_votes_are_predicted(data: Path) -> None:
    duels, _ = predicted(data, "halo2_head_to_head.csv")
    assert duels.three_way[3_014:].mean() < 0.6995
    # Captures and frags; by scores alone .680.
    teams, _ = predicted(data, "halo2_large_team.ndjson")
    assert teams.two_way[486:].mean() < 0.6617
    votes, _ = predicted(data, "llm_votes.csv", shuffled=True)
    assert votes.three_way[4_465:].mean() < 1.0155


def test_contests_are_predicted(data: Path) -> None:
    """The second half of the first 60, .5692; that of all 200 has .5717."""
    contests, _ = predicted(data, "codeforces_contests.ndjson.gz", most=60)
    assert contests.two_way[30:].mean() < 0.57
