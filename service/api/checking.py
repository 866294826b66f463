"""The matches of a request, checked as a whole: all that is wrong is named, and one that is wrong refuses all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from service.match import Match, check_ahead, decode
from service.pools import Pools
from service.problems import FieldError, Problem, wrong_field

MOST_MATCHES: Final = 1_000
SHOWN: Final = 20
"""Wrong fields that an answer names."""


class _Several(msgspec.Struct, forbid_unknown_fields=True):
    matches: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MOST_MATCHES)]


class _Kind(msgspec.Struct):
    # Beside None, msgspec would take nothing but null.
    matches: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def read_matches(body: bytes, pools: Pools) -> list[tuple[Match, bytes]]:
    """Read one match, or those of ``{"matches": [...]}``, and check them all.

    Parameters
    ----------
    body : bytes
        JSON.
    pools : Pools

    Returns
    -------
    list of (Match, bytes)
        Each match with its own text.

    Raises
    ------
    Problem
        ``malformed``, ``invalid_match``, ``shape_not_taken``; with every wrong field, named as in the body.
    """
    values, prefix = _split(body)
    now = int(time.time() * 1000)
    found: list[tuple[Match, bytes]] = []
    slugs: set[str] = set()
    errors: list[FieldError] = []
    first_with: dict[tuple[str, str], int] = {}
    wrong = 0
    for index, value in enumerate(values):
        try:
            match = _read(value, now, pools)
            earlier = first_with.setdefault((match.pool, match.id), index)
            if earlier != index:
                raise wrong_field(
                    "invalid_match", "id", f"{match.id!r} is the id of matches[{earlier}]", "send it once"
                )
        except Problem as problem:
            wrong += 1
            slugs.add(problem.type.slug)
            given = problem.errors or (FieldError("", problem.detail, problem.type.remedy),)
            errors += [
                FieldError(prefix.format(index) + error.field if error.field else prefix.format(index).rstrip("."),
                           error.problem, error.remedy)
                for error in given
            ]  # fmt: skip
        else:
            found.append((match, value))
    if wrong:
        slug = slugs.pop() if len(slugs) == 1 else "invalid_match"
        detail = f"{wrong} of {len(values)} matches cannot be used; nothing was sent"
        raise Problem(slug, detail, tuple(errors[:SHOWN]))
    return found


def _split(body: bytes) -> tuple[Sequence[bytes], str]:
    """Answer the text of each match, and how a field of the n-th one is called in the body."""
    try:
        several = msgspec.json.decode(body, type=_Kind).matches is not msgspec.UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # No object at all, or no JSON: the match's own reading says what is wrong.
        several = False
    if not several:
        return [body], ""
    try:
        return [bytes(value) for value in msgspec.json.decode(body, type=_Several).matches], "matches[{}]."
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        remedy = f"a list of 1 to {MOST_MATCHES:,} matches under 'matches' and nothing else"
        raise wrong_field("invalid_match", where.rstrip("`") or "matches", text, remedy) from None


def _read(value: bytes, now: int, pools: Pools) -> Match:
    match = decode(value)
    if not isinstance(match, Match):
        raise wrong_field("invalid_match", "type", "a seed moves ratings without a match", "send it to the topic")
    check_ahead(match, now)
    if refusal := pools.configured(match.pool).refusal(match.sides):
        raise wrong_field("shape_not_taken", "sides", refusal, "see /v1/catalog for the systems that take it")
    return match
