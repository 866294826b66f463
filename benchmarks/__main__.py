"""Runs the benchmarks: ``make bench``, or ``make bench ARGS="pipeline --matches 200000 --rounds 1"``."""

from __future__ import annotations

import argparse
import asyncio

from benchmarks import kernels, matchups, memory, pipeline, scale, serving, suggesting, systems, votes


def main() -> None:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    every = ("kernels", "matchups", "memory", "pipeline", "scale", "serving", "suggesting", "systems", "votes")
    parser.add_argument("what", nargs="*", choices=(*every, []), help="which ones; all by default")
    parser.add_argument("--matches", type=int, default=600_000, help="matches of pipeline and scale (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (%(default)s)")
    parser.add_argument("--seeds", type=int, default=200, help="arenas of each simulation of matchups (%(default)s)")
    chosen = parser.parse_args()
    if not chosen.what or "kernels" in chosen.what:
        kernels.run(chosen.rounds)
    if not chosen.what or "matchups" in chosen.what:
        matchups.run(chosen.seeds)
    if not chosen.what or "memory" in chosen.what:
        memory.run()
    if not chosen.what or "pipeline" in chosen.what:
        asyncio.run(pipeline.run(chosen.matches, chosen.rounds))
    if not chosen.what or "scale" in chosen.what:
        asyncio.run(scale.run(chosen.matches))
    if not chosen.what or "serving" in chosen.what:
        asyncio.run(serving.run(chosen.rounds))
    if not chosen.what or "suggesting" in chosen.what:
        asyncio.run(suggesting.run(chosen.rounds))
    if not chosen.what or "systems" in chosen.what:
        systems.run()
    if not chosen.what or "votes" in chosen.what:
        votes.run()


if __name__ == "__main__":
    main()
