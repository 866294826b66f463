"""The command ``plan``: the planner's figures, as a table and as JSON; what never ends is refused by its option."""

import json

import pytest

from service.campaigns.planner import matches_to_reach, matches_to_tell
from tests.conftest import Command


def test_what_it_takes(command: Command) -> None:
    words = ("plan", "--win-chance", "0.55", "--within", "0.1", "--delta", "0.01", "--tolerance", "0.02")
    code, out, _ = command(*words, "--json")
    assert code == 0
    assert json.loads(out) == {
        "win_chance": 0.55,
        "tolerance": 0.02,
        "delta": 0.01,
        "to_tell": matches_to_tell(0.55, 0.01, 0.02),
        "within": 0.1,
        "to_reach": matches_to_reach(0.1, 0.55, 0.01),
    }
    code, out, _ = command(*words)
    assert code == 0
    assert f"{matches_to_tell(0.55, 0.01, 0.02):,}" in out
    assert f"{matches_to_reach(0.1, 0.55, 0.01):,}" in out
    assert json.loads(command("plan", "--within", "0.1", "--json")[1])["to_tell"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name what is to be known: --win-chance"),
        (("--win-chance", "0.5"), "--win-chance 0.5: so even a pair"),
        (("--win-chance", "0.5001"), "--win-chance 0.5001: so even a pair"),
        (("--win-chance", "1.1"), "Invalid value for '--win-chance'"),
        (("--win-chance", "nan"), "Invalid value for '--win-chance'"),
        (("--within", "0"), "Invalid value for '--within'"),
        (("--within", "0.1", "--delta", "1"), "--delta 1: "),
        (("--win-chance", "0.6", "--tolerance", "0.3"), "Invalid value for '--tolerance'"),
    ],
)
def test_what_cannot_be_planned(command: Command, words: tuple[str, ...], told: str) -> None:
    code, out, err = command("plan", *words)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith(f"standings: {told}")
