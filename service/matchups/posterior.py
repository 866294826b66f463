"""Everything that a pool's results say of all skills at once: one normal distribution over all players.

Skills are standard normal before any result, and so is the unit; a performance is its skill plus noise, and of two
the better performance wins. The posterior is found by expectation propagation: each ordered pair that ever met has a
site, a normal factor on the difference of the two skills, that stands for one win of the first; it counts as often as
there were wins. The noise is learned with it, by steps up the evidence.

References
----------
T. Minka, Expectation propagation for approximate Bayesian inference, UAI 2001.
Y. Li, J. M. Hernandez-Lobato, R. E. Turner, Stochastic expectation propagation, NIPS 2015 (one site for like factors).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dpotrf, dpotri

from service.columns import Floats
from service.matchups.sites import absorb, expect, foresee, sweep

MOST_PLAYERS: Final = 1_000
"""Players of a joint posterior: its covariance is then 8 MB, and a sweep takes the time of one inversion."""

SWEEPS: Final = 100
"""Over all sites, at most, where nothing is known yet; a few suffice where a result or two came to what was fitted."""

TOLERANCE: Final = 1e-3
"""A sweep that moves no difference by more, in its own deviations, nor the noise by such a share, is the last one."""

_QUIETEST: Final = math.log(0.005)
_LOUDEST: Final = math.log(5.0)
_CENTRE: Final = math.log(0.01)
_WIDTH: Final = 0.7
"""The logarithm of the noise: bounds, centre and width of its Cauchy prior.

The prior holds it near none while no result contradicts another, and lets go as soon as some do.
"""

_STEP: Final = 0.3
_FASTEST: Final = 4.0
"""Longest step of the logarithm, and most by which a step is stretched where those before it went the same way.

The evidence is flatter than its information says, since wider skills do as well with more noise.
"""

_AFRESH: Final = 2.0
"""With more than so many times the results that the start was fitted to, all is fitted afresh, from much noise.

From above the evidence leads down to the noise there is. From far below it hardly leads up: results that contradict
each other without noise leave no skills that it could be learned by.
"""


@dataclass(frozen=True)
class Posterior:
    """Joint normal posterior of ``n`` skills.

    Attributes
    ----------
    mean : float64[n]
    settled : float64[n, n]
        Covariance, but for the matches ahead.
    noise : float
        Standard deviation of one performance about its skill.
    precision, shift : float64[n, n]
        The site of one win of the row over the column: precision, and precision times mean, of the difference.
    wins : float64[n, n]
        The results that it was fitted to.
    ahead : tuple of int32[k]
        Players of matches whose results are expected, one after the other.
    """

    mean: Floats
    settled: Floats
    noise: float
    precision: Floats
    shift: Floats
    wins: Floats
    ahead: tuple[npt.NDArray[np.int32], ...] = ()

    @cached_property
    def covariance(self) -> Floats:
        """With what the matches ahead are expected to tell, float64[n, n]; worked out for whoever looks at it first."""
        if not self.ahead:
            return self.settled
        covariance = self.settled.copy()
        for players in self.ahead:
            expect(covariance, self.mean, players, 2.0 * self.noise * self.noise)
        return covariance

    def of(self, players: Sequence[int]) -> Posterior:
        """The posterior of some, the others left out; -1 stands for a newcomer.

        Parameters
        ----------
        players : sequence of int
            Places in this posterior, each once but for newcomers.
        """
        chosen = np.asarray(players)
        new = chosen < 0
        if new.all():
            return replace(unknown(len(chosen)), noise=self.noise)
        strangers = new[:, None] | new

        def part(matrix: Floats) -> Floats:
            # Unlike an index by both at once, it lets other threads run.
            return np.where(strangers, 0.0, matrix.take(chosen, axis=0).take(chosen, axis=1))

        covariance = part(self.covariance)
        covariance[new, new] = 1.0
        return Posterior(
            np.where(new, 0.0, self.mean[chosen]),
            covariance,
            self.noise,
            part(self.precision),
            part(self.shift),
            part(self.wins),
        )

    def with_newcomers(self, count: int) -> Posterior:
        """The posterior of ``count`` players: newcomers come behind those that it has, of whom none is left out."""
        known = len(self.mean)
        return self if known == count else self.of([*range(known), *[-1] * (count - known)])

    def with_results(self, wins: Floats) -> Posterior:
        """The posterior once there are new results: the sites of those pairs move, the others and the noise stay.

        Parameters
        ----------
        wins : float64[n, n]
            All results up to now, as `fit` takes them; none less than in the posterior's own.
        """
        copies = [part.copy() for part in (self.mean, self.covariance, self.precision, self.shift)]
        mean, covariance, precision, shift = copies
        new = Posterior(mean, covariance, self.noise, precision, shift, wins)
        pairs = np.argwhere(wins != self.wins)
        absorb(mean, covariance, precision, shift, self.wins, wins, pairs, self.noise)
        return new

    def with_matches(self, orders: Sequence[npt.NDArray[np.int32]]) -> Posterior:
        """The posterior to be expected once many matches are played, each taken as if it were the only one.

        Parameters
        ----------
        orders : sequence of int32[k]
            Players of each match.
        """
        if not orders:
            return self
        between = np.zeros_like(self.covariance)
        ends = np.cumsum([len(order) for order in orders])
        foresee(self.covariance, self.mean, np.concatenate(orders), ends, 2.0 * self.noise * self.noise, between)
        met = np.flatnonzero(between.any(axis=0))
        between = between[np.ix_(met, met)]
        told = np.diag(between.sum(axis=1)) - between
        # (C^-1 + T)^-1 = C - C T (1 + C T)^-1 C, with T of those alone who play.
        known = self.covariance[met]
        gone = known.T @ (told @ np.linalg.solve(np.eye(len(met)) + known[:, met] @ told, known))
        return replace(self, settled=self.covariance - 0.5 * (gone + gone.T), ahead=())

    def with_match(self, players: npt.NDArray[np.int32]) -> Posterior:
        """The posterior to be expected once these have played: means stay, what is unsure of them shrinks.

        Parameters
        ----------
        players : int32[k]
        """
        if "covariance" in self.__dict__:
            return replace(self, settled=self.covariance, ahead=(players,))
        return replace(self, ahead=(*self.ahead, players))


def unknown(count: int) -> Posterior:
    """What is known of so many players before any result.

    Examples
    --------
    >>> unknown(2).covariance.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    empty = np.zeros((count, count))
    return Posterior(np.zeros(count), np.eye(count), 1.0, empty, empty, empty)


def fit(wins: Floats, start: Posterior, sweeps: int = SWEEPS) -> Posterior:
    """Fit the posterior to all results.

    Parameters
    ----------
    wins : float64[n, n]
        How often the one of the row was before the one of the column, see `service.matchups.field.Field.wins`; not
        negative, 0 on the diagonal.
    start : Posterior
        Of the same players, from fewer results, or `unknown`.
    sweeps : int
        Over all sites, at most.

    Examples
    --------
    >>> wins = np.zeros((3, 3))
    >>> wins[0, 1] = wins[1, 2] = 1.0
    >>> fit(wins, unknown(3)).mean.round(2).tolist()
    [0.85, 0.0, -0.85]
    """
    if wins.sum() > _AFRESH * start.wins.sum():
        start = unknown(len(wins))
    mean, covariance, noise = start.mean, start.covariance, start.noise
    precision, shift = start.precision.copy(), start.shift.copy()
    before, stretch = 0.0, 1.0
    for _ in range(sweeps):
        moved, slope, information = sweep(mean, covariance, precision, shift, wins, noise)
        mean, covariance = _joined(wins, precision, shift)
        step = _step(math.log(noise), slope, information, stretch)
        stretch = min(1.2 * stretch, _FASTEST) if step * before > 0.0 else 1.0
        noise *= math.exp(step)
        before = step
        if moved < TOLERANCE and abs(step) < TOLERANCE:
            break
    return Posterior(mean, covariance, noise, precision, shift, wins.copy())


def joined(noise: float, precision: Floats, shift: Floats, wins: Floats) -> Posterior:
    """The posterior that sites make, the parameters being its attributes.

    Other threads run meanwhile, which they do not during the inversions of `fit`; those take half the time.
    """
    between, shifts = _factors(wins, precision, shift)
    inverse = np.linalg.inv(between)
    covariance = 0.5 * (inverse + inverse.T)
    return Posterior(covariance @ shifts, covariance, noise, precision, shift, wins)


def _factors(wins: Floats, precision: Floats, shift: Floats) -> tuple[Floats, Floats]:
    """Precision, and precision times mean, of the prior times all sites."""
    between = wins * precision
    between = between + between.T
    shifts = wins * shift
    return np.diag(1.0 + between.sum(axis=1)) - between, shifts.sum(axis=1) - shifts.sum(axis=0)


def _joined(wins: Floats, precision: Floats, shift: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance of the prior times all sites."""
    whole, shifts = _factors(wins, precision, shift)
    # The prior keeps it positive definite. Of the inverse LAPACK fills in the lower triangle.
    lower = np.tril(dpotri(dpotrf(whole, lower=1)[0], lower=1)[0])
    covariance = lower + np.tril(lower, -1).T
    return covariance @ shifts, covariance


def _step(log_noise: float, slope: float, information: float, stretch: float) -> float:
    """How far the noise's logarithm moves up its evidence and prior."""
    off = log_noise - _CENTRE
    spread = _WIDTH * _WIDTH + off * off
    step = stretch * (slope - 2.0 * off / spread) / (information + 2.0 / spread)
    step = min(max(step, -_STEP), _STEP)
    return min(max(log_noise + step, _QUIETEST), _LOUDEST) - log_noise
