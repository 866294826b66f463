"""What ``standings evaluate-policy`` answers: what a policy would have been worth in place of what was played."""

from __future__ import annotations

import sys
from typing import Final

import msgspec
import numpy as np

from service.columns import Floats
from service.matchups import Policy
from service.matchups.evaluate import REWARDS, estimate, weight
from standings.accounts import Accounts, places
from standings.errors import Mistake

SEED: Final = 0
"""Of the particles that a policy draws."""


class Value(msgspec.Struct, frozen=True):
    """A mean reward for each matchup, with its 95 % interval."""

    value: float
    low: float
    high: float


class PolicyValue(msgspec.Struct, frozen=True):
    """What a policy would have been worth.

    Attributes
    ----------
    policy, reward : str
    value, low, high : float
        The mean reward of a matchup, with its 95 % interval.
    played : Value
        The same of those that were played.
    matchups : int
        Whose results are known.
    effective : float
        How many of the policy's own they are worth.
    support : float
        Share of what it would suggest that the log could show, as estimated by the mean weight.
    clipped : int
        Weights that were clipped.
    """

    policy: str
    reward: str
    value: float
    low: float
    high: float
    played: Value
    matchups: int
    effective: float
    support: float
    clipped: int


def evaluate_policy(file: str, policy: Policy, floor: float, reward: str, clip: float) -> PolicyValue:
    """Estimate what a policy would have been worth, from the log of matchups.

    Parameters
    ----------
    file : str
        See `standings.accounts.Accounts`.
    policy : Policy
        One without needs: the log has neither pairs nor posteriors.
    floor : float
        Its share of uniform matchups.
    reward : str
        One of `REWARDS`.
    clip : float
        The largest weight.

    Raises
    ------
    Mistake
        The file cannot be read, or tells too little of the policy.
    """
    accounts, rng = Accounts(file), np.random.default_rng(SEED)
    weighed = {}
    for one in accounts.decisions():
        times = weight(policy, floor, one.field, one.players, one.propensity, one.built, rng)
        weighed[one.id] = times, one.field.among(np.array(one.players, dtype=np.int32)), one.names
    weights, rewards = [], []
    for id_, (times, field, names) in weighed.items():
        match = accounts.results.get(id_)
        if match is not None and (ranks := places(match, names)) is not None:
            weights.append(times)
            rewards.append(REWARDS[reward](field, ranks))
    for count, what in (
        (accounts.lost, "accounts follow on records that are not there"),
        (len(weighed) - len(weights), "matchups have no result by those who were to play"),
    ):
        if count:
            sys.stderr.write(f"{count:,} {what}\n")
    if len(weights) < 2:
        raise Mistake(f"{len(weighed):,} matchups, {len(weights)} with results: nothing to evaluate")
    return _answer(policy.name, reward, np.array(weights), np.array(rewards), clip)


def _answer(policy: str, reward: str, weights: Floats, rewards: Floats, clip: float) -> PolicyValue:
    found, played = estimate(weights, rewards, clip), estimate(np.ones(len(rewards)), rewards, clip)
    if (refusal := found.refusal(len(weights))) is not None:
        raise Mistake(f"--policy {policy}: {refusal}")
    return PolicyValue(
        policy=policy,
        reward=reward,
        value=found.value,
        low=found.low,
        high=found.high,
        played=Value(played.value, played.low, played.high),
        matchups=len(weights),
        effective=found.effective,
        support=found.support,
        clipped=found.clipped,
    )
