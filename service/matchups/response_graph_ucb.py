"""ResponseGraphUCB: each pair meets until it is clear who of the two is stronger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from service.columns import Floats
from service.matchups import Goal, Law, Need, Policy
from service.matchups.chances import greatest
from service.matchups.evidence import evidence
from service.matchups.field import Field

Pairs = npt.NDArray[np.bool_]


class ResponseGraphUcb(Policy, frozen=True, kw_only=True):
    """Resolve who beats whom, without believing that skills form one line: of all pairs still open the least played.

    Parameters
    ----------
    delta : float
        Chance, at most, that a pair of equals is ever taken to be resolved, however often it is looked at.

    References
    ----------
    M. Rowland et al., Multiagent Evaluation under Incomplete Information, NeurIPS 2019.
    H. Robbins, Statistical methods related to the law of the iterated logarithm, Ann. Math. Statist. 41, 1970.
    """

    name: ClassVar[str] = "response_graph_ucb"
    goals: ClassVar[frozenset[Goal]] = frozenset({"full"})
    needs: ClassVar[frozenset[Need]] = frozenset({"pairs"})
    spreads: ClassVar[bool] = True
    unit: ClassVar[str] = "open pairs"

    delta: Annotated[float, Meta(ge=1e-9, le=0.5)] = 0.05

    def law(self, field: Field, rng: np.random.Generator) -> Law:
        """One of the open pairs that met least, equals alike; then whoever has the most open pairs with those taken.

        Of these the one who met them least. Matches under way count as meetings. Once no pair is open, all are taken
        for open.

        The paper's bounds hold for one number of matches; here the bound holds at all times at once: a pair is
        resolved when the likelihood of its results, averaged over all win chances, is ``1 / delta`` times that under
        one half (Robbins' mixture). Ties and the shares that pairs of larger matches have keep it valid.
        """
        assert field.wins is not None
        is_open = open_pairs(field.wins, self.delta)
        met = field.wins + field.wins.T
        first, second = field.under_way.T
        np.add.at(met, (first, second), 1.0)
        np.add.at(met, (second, first), 1.0)
        choice = is_open if is_open.any() else ~np.eye(len(field), dtype=np.bool_)
        fewest = choice & (met == met.min(where=choice, initial=np.inf))
        starts = fewest.sum(axis=1) / fewest.sum()
        return _LeastPlayed(is_open, choice, met, starts)


class _LeastPlayed(NamedTuple):
    is_open: Pairs
    choice: Pairs
    met: Floats
    starts: Floats

    def chances(self, taken: Sequence[int]) -> Floats:
        if not taken:
            return self.starts
        with_taken = list(taken)
        most = greatest(self.choice[with_taken].sum(axis=0).astype(np.float64), taken) > 0.0
        return greatest(np.where(most, -self.met[with_taken].sum(axis=0), -np.inf), taken)

    def score(self, taken: Sequence[int]) -> float:
        return float(self.is_open[np.ix_(list(taken), list(taken))].sum() // 2)


def open_pairs(wins: Floats, delta: float) -> Pairs:
    """Pairs of which it is not yet clear who is stronger.

    Parameters
    ----------
    wins : float64[n, n]
        As in `Field.wins`.
    delta : float

    Returns
    -------
    bool[n, n]
        Symmetric; nobody has a pair with oneself.

    Examples
    --------
    >>> open_pairs(np.array([[0.0, 7.0, 8.0], [0.0, 0.0, 6.0], [0.0, 4.0, 0.0]]), 0.05).tolist()
    [[False, True, False], [True, False, True], [False, True, False]]
    """
    return _open_pairs(wins, -math.log(delta))


@numba.njit(cache=True)
def _open_pairs(wins: Floats, needed: float) -> Pairs:
    found = np.zeros(wins.shape, dtype=np.bool_)
    for i in range(len(wins)):
        for q in range(i):
            won, lost = wins[i, q], wins[q, i]
            met, gap = won + lost, won - lost
            # The mixture has at most what the best win chance has, that is ln(2) gap^2 / met: cheap to look at.
            if math.log(2.0) * gap * gap < needed * met or met == 0.0:
                found[i, q] = True
            # And it has at least 1 / (met + 1) of that, which is gap^2 / (2 met) or more.
            elif 0.5 * gap * gap < (needed + math.log1p(met)) * met:
                found[i, q] = evidence(won, lost, 0.5) < needed
            found[q, i] = found[i, q]
    return found
