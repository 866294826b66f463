"""The oracle's reading of an order of three or more sides, for kalman: each side's likeliest performance.

Up to 32 sides by normal comparisons, all of them, for each side. More by logistic ones, where a tie is half a win and
half a loss: then one function of the performance serves all sides, in a table with cubics between its points.
"""

from __future__ import annotations

import math

from tests.oracle_normal import seen_above, seen_between

DIRECT = 32
ENOUGH = 60
NEAR = 1e-14

Pair = tuple[float, float]
Columns = tuple[list[float], list[float]]


def places(mean: list[float], variance: list[float], noise: list[float], rank: list[int], zone: float) -> Columns:
    """Slope and curvature of the order's log-likelihood in the strength of each side."""
    if len(mean) > DIRECT:
        found = _tabulated(mean, [one + other for one, other in zip(variance, noise, strict=True)], rank)
    else:
        found = [_direct(i, mean, variance, noise, rank, zone) for i in range(len(mean))]
    return [slope for slope, _ in found], [curve for _, curve in found]


def _direct(i: int, mean: list[float], variance: list[float], noise: list[float], rank: list[int], zone: float) -> Pair:
    def told(move: float) -> Pair:
        """Slope and curvature at a performance so far off what was expected."""
        x, slope, curve = mean[i] + move, 0.0, 0.0
        for q in range(len(mean)):
            if q == i:
                continue
            deviation = math.sqrt(variance[q] + noise[q])
            edge = zone * math.sqrt(noise[i] + noise[q]) / deviation
            gap = (x - mean[q]) / deviation
            if rank[i] == rank[q]:
                v, w = seen_between(-edge - gap, edge - gap)
            elif rank[i] < rank[q]:
                v, w = seen_above(gap - edge)
            else:
                v, w = seen_above(-gap - edge)
                v = -v
            slope += v / deviation
            curve += w / (deviation * deviation)
        return slope, curve

    total = variance[i] + noise[i]
    move = 0.0
    slope, curve = told(move)
    low, high = min(0.0, total * slope), max(0.0, total * slope)
    for _ in range(ENOUGH):
        rest = slope - move / total
        low, high = (move, high) if rest > 0.0 else (low, move)
        following = move + rest / (curve + 1.0 / total)
        if not low < following < high:
            following = 0.5 * (low + high)
        step, move = abs(following - move), following
        slope, curve = told(move)
        if step <= NEAR * (1.0 + abs(move)):
            break
    return move / total, curve / (1.0 + curve * total)


def _tabulated(mean: list[float], total: list[float], rank: list[int]) -> list[Pair]:
    scale = [math.sqrt(3.0) / math.pi * math.sqrt(one) for one in total]
    start, end = min(mean) - 12.0 * max(scale), max(mean) + 12.0 * max(scale)
    nodes = min(int((end - start) / min(scale) * 6.0) + 2, 4096)
    stride = (end - start) / (nodes - 1)
    pull, slope = [0.0] * nodes, [0.0] * nodes
    for middle, width in zip(mean, scale, strict=True):
        steep = 1.0 / width
        begin = max(0, math.floor((middle - 40.0 * width - start) / stride))
        odds = math.exp((middle - start - begin * stride) * steep)
        fall = math.exp(-stride * steep)
        for node in range(begin, nodes):
            chance = 1.0 / (1.0 + odds)
            pull[node] += steep * chance
            slope[node] += steep * steep * chance * (1.0 - chance)
            odds *= fall

    found = []
    for i, beaten in enumerate(_beaten(scale, rank)):
        x, curve = _root(mean[i], scale[i], total[i], beaten, (pull, slope), start, stride)
        found.append(((x - mean[i]) / total[i], curve / (1.0 + curve * total[i])))
    return found


def _beaten(scale: list[float], rank: list[int]) -> list[float]:
    """Sum of one over the scale of all that were beaten, and of half the others in the same place."""
    found = [0.0] * len(scale)
    behind = 0.0
    for place in sorted(set(rank), reverse=True):
        together = [i for i in range(len(scale)) if rank[i] == place]
        tied = 0.0
        for i in together:
            tied += 1.0 / scale[i]
        for i in together:
            found[i] = behind + 0.5 * (tied - 1.0 / scale[i])
        behind += tied
    return found


def _root(mean: float, scale: float, total: float, beaten: float, table: Columns, start: float, stride: float) -> Pair:
    """Likeliest performance of a side, and the curvature of what the others tell of it there."""
    pull, slope = table
    low, high = 0, len(pull) - 1
    while high - low > 1:
        middle = (low + high) // 2
        x = start + middle * stride
        itself = 1.0 / (scale + scale * math.exp(min((mean - x) / scale, 700.0)))
        if beaten + itself - pull[middle] > (x - mean) / total:
            low = middle
        else:
            high = middle
    p, q, slope_p, slope_q = pull[low], pull[high], slope[low], slope[high]
    left, right, t, curve = 0.0, 1.0, 0.5, 0.0
    for _ in range(ENOUGH):
        s = 1.0 - t
        value = p * (1.0 + 2.0 * t) * s * s + q * t * t * (3.0 - 2.0 * t) + stride * t * s * (slope_p * s - slope_q * t)
        rise = 6.0 * t * s * (q - p) / stride + slope_p * s * (1.0 - 3.0 * t) + slope_q * t * (3.0 * t - 2.0)
        x = start + (low + t) * stride
        chance = 1.0 / (1.0 + math.exp(min((mean - x) / scale, 700.0)))
        curve = max(rise - chance * (1.0 - chance) / (scale * scale), 0.0)
        rest = beaten + chance / scale - value - (x - mean) / total
        left, right = (t, right) if rest > 0.0 else (left, t)
        following = t + rest / (curve + 1.0 / total) / stride
        if not left < following < right:
            following = 0.5 * (left + right)
        step, t = abs(following - t), following
        if step <= NEAR:
            break
    return start + (low + t) * stride, curve
