"""The update alone, without Kafka or Redis: rating systems against Elo in plain Python."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.report import figure
from service.columns import NO_HOME, Matches
from service.rate import empty, rate
from service.ratings import create, systems, unexpected

MATCHES = 200_000
PLAYERS = 1_000


def run(rounds: int) -> None:
    """Print microseconds a match: each system's update, with counting and scoring, and plain Python."""
    print(f"update of {MATCHES:,} two-player matches, {PLAYERS:,} players: median, least to most of {rounds}")
    matches = _matches()
    plain = _plain_arguments(matches)
    figure("Elo in plain Python", [_timed(_plain, *plain) for _ in range(rounds)], "us/match")
    for name in systems():
        system = create(name)
        rate(system, matches, empty(system, PLAYERS))
        rest, expected = np.zeros(2 * MATCHES), unexpected(matches)
        update, whole = [], []
        for _ in range(rounds):
            table = empty(system, PLAYERS)
            update.append(_timed(system.update, matches, rest, table.skills, table.pool, expected))
            whole.append(_timed(rate, system, matches, empty(system, PLAYERS)))
        figure(f"{name}: update", update, "us/match")
        figure(f"{name}: count, update, score", whole, "us/match")


def _timed(work: object, *arguments: object) -> float:
    begun = time.perf_counter()
    work(*arguments)  # type: ignore[operator]  # anything that can be called
    return (time.perf_counter() - begun) / MATCHES * 1e6


def _matches() -> Matches:
    chance = np.random.default_rng(7)
    first = chance.integers(0, PLAYERS, MATCHES)
    second = (first + chance.integers(1, PLAYERS, MATCHES)) % PLAYERS
    result = chance.integers(0, 3, MATCHES)
    return Matches(
        side_start=np.arange(0, 2 * MATCHES + 1, 2),
        player_start=np.arange(2 * MATCHES + 1),
        player=np.stack((first, second), axis=1).ravel(),
        rank=np.stack((1 + (result == 1), 1 + (result == 2)), axis=1).ravel(),
        score=np.full(2 * MATCHES, np.nan),
        home=np.full(MATCHES, NO_HOME),
        weight=np.ones(MATCHES),
        at=np.arange(MATCHES) * 1000,
    )


def _plain_arguments(matches: Matches) -> tuple[list[int], list[int], list[float]]:
    rank = matches.rank.reshape(-1, 2)
    result = np.where(rank[:, 0] == rank[:, 1], 0.5, rank[:, 0] < rank[:, 1])
    return matches.player[::2].tolist(), matches.player[1::2].tolist(), result.tolist()


def _plain(first: list[int], second: list[int], result: list[float]) -> None:
    rating = [1500.0] * PLAYERS
    for a, b, score in zip(first, second, result, strict=True):
        expected = 1 / (1 + 10 ** ((rating[b] - rating[a]) / 400))
        step = 32 * (score - expected)
        rating[a] += step
        rating[b] -= step
