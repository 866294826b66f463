"""How many matches each policy needs in synthetic arenas, as tables in ``docs/simulate.md``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.report import fewer, figures, into_page, table
from service.columns import Floats
from service.matchups import create, policies
from service.ratings import create as create_system
from standings.arena import Arena
from standings.simulation import summed_up
from standings.targets import Target, target_of
from standings.trial import Setting, Trial, attempt, play

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "simulate.md"
BEGIN: Final = "<!-- what policies need: written by make bench ARGS=matchups -->"
END: Final = "<!-- end of what policies need -->"
PLAYERS: Final = 50
NOISE: Final = 0.5
SYSTEM: Final = "kalman"
"""That of a pool that is not configured."""

HELD: Final = 10
BUDGET: Final = 5_000
SHOWN: Final = 1_500
ROUNDS: Final = 300
"""Matches over which openness and exposure are looked at."""

HORIZON: Final = 2_000
"""Regret is looked at after so many matches, and after twice as many."""


class Way(NamedTuple):
    """One way to play: how tables call it, the policy and, where it is told so, how many first it looks for."""

    title: str
    policy: str
    top: int = 0
    system: str = SYSTEM
    floor: float = 0.0
    at_once: int = 1
    counted: bool = True

    def setting(self, sides: int = 4, noise: float = 0.0, flip: float = 0.0) -> Setting:
        return Setting(
            arena=Arena(players=PLAYERS, sides=sides, noise=noise, flip=flip),
            system=create_system(self.system),
            policy=create(self.policy, {"top": self.top} if self.top else {}),
            floor=self.floor,
            at_once=self.at_once,
            counted=self.counted,
        )


UNIFORM: Final = Way("`uniform`", "uniform")
BY_POSTERIOR: Final = Way("`uniform`, order by the posterior", "information_gain", floor=1.0)
"""With a floor of 1 all matches are uniform; what is left of the policy is its order."""

GAINING: Final = Way("`information_gain`", "information_gain")


def run(seeds: int) -> None:
    """Simulate and write the tables into the page."""
    print(f"matchups: {seeds} seeds")
    with ProcessPoolExecutor() as workers:
        parts = []
        for part in (_k_sort, _goals, _noises, _under_way, _other_goals, _regrets):
            parts.append(part(partial(_each, workers, seeds)))
            print(parts[-1], flush=True)
    into_page(PAGE, BEGIN, END, "\n\n".join(parts))


Each = Callable[..., list[Any]]


def _each(workers: ProcessPoolExecutor, seeds: int, work: Callable[..., Any]) -> list[Any]:
    return list(workers.map(work, range(seeds), chunksize=max(1, seeds // 50)))


def _attempts(each: Each, setting: Setting, target: Target, budget: int, **more: Any) -> list[Trial]:
    return each(partial(_attempt, setting, target, budget, more))


def _attempt(setting: Setting, target: Target, budget: int, more: dict[str, Any], seed: int) -> Trial:
    return attempt(setting, target, budget, seed, **more)


def _k_sort(each: Each) -> str:
    ways = [
        (Way("Elo, uniform pairs", "uniform", system="elo"), 2, 100_000),
        (Way("K-Sort Arena's rating and `ucb`", "ucb", system="thurstone_k"), 4, 10_000),
        (Way("`information_gain`, pairs", "information_gain"), 2, 2_000),
        (Way("`information_gain`, four sides", "information_gain"), 4, 2_000),
    ]
    rows = []
    for way, sides, budget in ways:
        found = _attempts(each, way.setting(sides=sides), target_of("exact", PLAYERS), budget)
        rows.append([way.title, *figures(summed_up(way.policy, "exact", _reached(found)), budget)])
    return table(f"No noise, matches to the exact order of {PLAYERS}:", ["", "median", "95 %"], rows)


def _goals(each: Each) -> str:
    """Every policy at what it is for, against uniform matches of the same seeds."""
    rows = []
    for kind, goal, top in (("full", "0.9", 0), ("top_k", "top_5", 5), ("best", "best", 1)):
        target, held = target_of(goal, PLAYERS), 1 if kind == "full" else HELD
        fitting = [name for name, policy in policies().items() if kind in policy.goals]
        found = {}
        for name in ("uniform", *fitting):
            told = top if "top" in policies()[name].__struct_fields__ else 0
            setting = Way(name, name, told).setting(noise=NOISE)
            found[name] = _reached(_attempts(each, setting, target, BUDGET, held=held))
        for name, reached in found.items():
            than_uniform = "" if name == "uniform" else fewer(reached, found["uniform"])
            rows.append([goal, f"`{name}`", *figures(summed_up(name, goal, reached), BUDGET), than_uniform])
    title = f"Noise {NOISE:g}, four sides, rated by `{SYSTEM}`; top_5 and best held for {HELD} matches:"
    return table(title, ["goal", "policy", "median", "95 %", "fewer than `uniform`"], rows)


def _noises(each: Each) -> str:
    """How long it takes to a mean tau, and to a first hit of it, the worse the matches tell of the skills."""
    ways = [UNIFORM, Way("`ucb`", "ucb"), Way("`closest`", "closest"), BY_POSTERIOR, GAINING]
    rows = []
    for noise, flip in ((0.25, 0.0), (0.5, 0.0), (1.0, 0.0), (NOISE, 0.1), (NOISE, 0.2)):
        title = f"noise {noise:g}" + (f", {flip:.0%} flipped" if flip else "")
        for way in ways:
            found = _attempts(each, way.setting(noise=noise, flip=flip), target_of("exact", PLAYERS), SHOWN, whole=True)
            rows.append([title, way.title, *(_crossing(found, tau) for tau in (0.9, 0.95))])
    return table(
        f"Four sides: matches until the mean tau passes, and in brackets the median of first hits, of {SHOWN:,}:",
        ["", "policy", "0.9", "0.95"],
        rows,
    )


def _under_way(each: Each) -> str:
    """What it costs to take many matches at once, and not to count them."""
    rows = []
    for at_once in (1, 10, 50):
        for counted in (True, False) if at_once > 1 else (True,):
            way = GAINING._replace(at_once=at_once, counted=counted)
            found = _attempts(each, way.setting(noise=NOISE), target_of("exact", PLAYERS), SHOWN, whole=True)
            told = "counted" if counted else "ignored"
            rows.append([str(at_once), told, *(_crossing(found, tau) for tau in (0.9, 0.95))])
    title = f"`information_gain`, noise {NOISE:g}, four sides: matches under way, as above:"
    return table(title, ["at once", "leases", "0.9", "0.95"], rows)


def _other_goals(each: Each) -> str:
    """What is not about the order: open matches, and as many for everybody."""
    rows = []
    for goal, measure in (("even", _openness), ("cover", _fewest_to_most)):
        base = np.array(each(partial(measure, UNIFORM)))
        for name, policy in policies().items():
            if goal in policy.goals or name == "uniform":
                values = np.array(each(partial(measure, Way(name, name))))
                better = "" if name == "uniform" else f"{np.mean(values > base):.0%}"
                rows.append([goal, f"`{name}`", f"{np.median(values):.2f}", better])
    title = (
        f"{ROUNDS} matches of two, noise {NOISE:g}. even: mean of 1 - abs(2p - 1) of the true chances p;"
        " cover: matches of who played least over those of who played most:"
    )
    return table(title, ["goal", "policy", "median", "seeds better than `uniform`"], rows)


def _openness(way: Way, seed: int) -> float:
    chances = [ndtr((skills[a] - skills[b]) / (math.sqrt(2.0) * NOISE)) for (a, b), skills in _duels(way, ROUNDS, seed)]
    return float(np.mean(1.0 - np.abs(2.0 * np.array(chances) - 1.0)))


def _fewest_to_most(way: Way, seed: int) -> float:
    counts = np.bincount(np.concatenate([pair for pair, _ in _duels(way, ROUNDS, seed)]), minlength=PLAYERS)
    return float(counts.min() / counts.max())


def _regrets(each: Each) -> str:
    """Regret of duels: how far below the best the two are that play, in chances to win against it."""
    rows = []
    for name in ("uniform", "thompson", "top_two", "exp3", "epsilon_greedy"):
        found = np.array(each(partial(_regret, Way(name, name))))
        early, late = np.median(found, axis=0)
        rows.append([f"`{name}`", f"{early:,.0f}", f"{late:,.0f}", f"{np.median(found[:, 1] / found[:, 0]):.2f}"])
    title = f"Regret of duels, noise {NOISE:g}: a ratio below 2 is sublinear:"
    return table(title, ["policy", f"{HORIZON:,} matches", f"{2 * HORIZON:,}", "ratio"], rows)


def _regret(way: Way, seed: int) -> tuple[float, float]:
    lost = [
        float(np.mean(ndtr((skills.max() - skills[list(pair)]) / (math.sqrt(2.0) * NOISE)) - 0.5))
        for pair, skills in _duels(way, 2 * HORIZON, seed)
    ]
    return sum(lost[:HORIZON]), sum(lost)


def _duels(way: Way, matches: int, seed: int) -> Iterator[tuple[tuple[int, ...], Floats]]:
    for look in islice(play(way.setting(sides=2, noise=NOISE), seed), matches):
        yield look.sets[0], look.skills


def _reached(found: Sequence[Trial]) -> list[int | None]:
    return [one.reached for one in found]


def _crossing(found: Sequence[Trial], tau: float) -> str:
    errors, wanted = np.array([one.errors for one in found]), (1.0 - tau) / 2.0 + 1e-12
    matches, curves = errors[0, :, 0], errors[:, :, 1]
    mean = _first(matches, curves.mean(axis=0) <= wanted)
    hits = np.median([_first(matches, curve <= wanted) for curve in curves])
    return " ".join(
        "over" if math.isinf(one) else shown for one, shown in ((mean, f"{mean:,g}"), (hits, f"({hits:,g})"))
    )


def _first(matches: Floats, there: NDArray[np.bool_]) -> float:
    return float(matches[there.argmax()]) if there.any() else math.inf
