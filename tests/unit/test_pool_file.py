"""The pools file: every key and bound is read or refused, and a fault is told with file, line and key."""

from pathlib import Path
from typing import ClassVar

import pytest

from service import pool_file
from service.pool_file import MOST_BYTES, PoolsInvalid, parse_pools, read_pools
from service.pools import Pools, Provisional
from service.ratings import RatingSystem, Shapes, create
from service.ratings.elo import Elo
from service.ratings.glicko2 import Glicko2

WHOLE = """
# Every key there is.
[pools."chess.*"]
profile = "arena"
system = "elo"
parameters = {k = 24, scale = 500.0}
deviations = 1.5
provisional = {matches = 5, deviation = 120.0}
most_sides = 8
most_players = 4
pairs = false

[[pools."chess.*".shadows]]
system = "glicko2"
[pools."chess.*".shadows.parameters]
tau = 0.7

[pools."*"]
"""


def told(text: str) -> str:
    with pytest.raises(PoolsInvalid) as caught:
        parse_pools(text, "pools.toml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("pools.toml")
    return message


def test_every_key_is_read() -> None:
    pools = parse_pools(WHOLE, "pools.toml")
    pool = pools.configured("chess.blitz")
    assert pool.systems == (Elo(k=24, scale=500), Glicko2(tau=0.7))
    assert (pool.profile, pool.pattern, pool.deviations) == ("arena", "chess.*", 1.5)
    assert (pool.provisional, pool.most_sides, pool.most_players) == (Provisional(5, 120.0), 8, 4)
    assert not pool.pairs
    assert pools.source == "pools.toml"
    # What is not said is as the profile has it; of a section's own rule too.
    assert pools.configured("go").fingerprints() == Pools().configured("go").fingerprints()
    arena = parse_pools('[pools.x]\nprofile = "arena"\nprovisional.deviation = 9', "").configured("x")
    assert (arena.live, arena.deviations, arena.provisional) == (create("kalman"), 2.0, Provisional(30, 9.0))
    assert arena.pairs
    assert parse_pools("[pools.x]\npairs = true", "").configured("x").pairs


def test_a_file_that_says_nothing() -> None:
    for text in ("", "# nothing", "[pools]"):
        assert parse_pools(text, "").configured("arena") == Pools().configured("arena")
    assert read_pools(None).configured("chess") == Pools().configured("chess")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("\nname = 1", "line 2, name", "[pools.PATTERN]"),
        ("pools = 3", "line 1, pools", "[pools.PATTERN]"),
        ("[pools]\nchess = 3", "line 2, pools.chess", "got `int`"),
        ("[[pools.chess]]", "line 1, pools.chess", "got `array`"),
        ('[pools."ch ss"]', 'line 1, pools."ch ss"', "a pattern has letters"),
        ('[pools.""]', 'line 1, pools.""', "a pattern has letters"),
        ('[pools."a[b"]', 'line 1, pools."a[b"', "a pattern has letters"),
        ('[pools."a/b"]', 'line 1, pools."a/b"', "a pattern has letters"),
        ("[pools.x]\nsytem = 'elo'", "line 2, pools.x.sytem", "did you mean 'system'? There are: profile, system,"),
        ("[pools.x]\nsystem = 3", "line 2, pools.x.system", "got `int`"),
        ("[pools.x]\nsystem = 'elos'", "line 2, pools.x.system", "no rating system 'elos'; there are: codeforces,"),
        ("[pools.x]\nprofile = 'Arena'", "line 2, pools.x.profile", "no profile 'Arena'; there are: ladder, arena"),
        ("[pools.x]\ndeviations = -0.1", "line 2, pools.x.deviations", ">= 0.0"),
        ("[pools.x]\ndeviations = 10.1", "line 2, pools.x.deviations", "<= 10.0"),
        ("[pools.x]\ndeviations = nan", "line 2, pools.x.deviations", "Expected `float`"),
        ("[pools.x]\npairs = 1", "line 2, pools.x.pairs", "Expected `bool | null`, got `int`"),
        ("[pools.x]\nmost_sides = 1", "line 2, pools.x.most_sides", ">= 2"),
        ("[pools.x]\nmost_sides = 20_001", "line 2, pools.x.most_sides", "<= 20000"),
        ("[pools.x]\nmost_players = 0", "line 2, pools.x.most_players", ">= 1"),
        ("[pools.x]\nmost_players = 101", "line 2, pools.x.most_players", "<= 100"),
        ("[pools.x.provisional]\nmatches = -1", "line 2, pools.x.provisional.matches", ">= 0"),
        ("[pools.x.provisional]\n\ndeviation = 0", "line 3, pools.x.provisional.deviation", "> 0.0"),
        ("[pools.x]\nprovisional = {match = 1}", "line 2, pools.x.provisional.match", "did you mean 'matches'?"),
        ("[pools.x]\nprovisional = 1", "line 2, pools.x.provisional", "got `int`"),
        ("[pools.x.parameters]\nhome = 1\nkk = 2", "line 3, pools.x.parameters.kk", "kalman has no such parameter"),
        ("[pools.x]\nparameters.home = 1001", "line 2, pools.x.parameters.home", "<= 1000.0"),
        ("[pools.x]\nparameters = {home = 'x'}", "line 2, pools.x.parameters.home", "Expected `float`"),
        ("[pools.x]\nparameters.home.k = 1", "line 2, pools.x.parameters.home", "got `object`"),
        ("pools.x.parameters.drift = 0", "line 1, pools.x.parameters.drift", ">= 1.0"),
        ('[pools]\n"x.*" = {parameters = {drift = 0}}', 'line 2, pools."x.*".parameters.drift', ">= 1.0"),
        ('["pools".x]\n"deviations" = 11', "line 2, pools.x.deviations", "<= 10.0"),
        ("[ pools . x ] # a comment\n  deviations   =   11", "line 2, pools.x.deviations", "<= 10.0"),
        ("[pools.y]\ndeviations = 1\n[pools.x]\n# deviations = 1\ndeviations = 11", "line 5, pools.x", "<= 10.0"),
        ("[pools.x]\nshadows = [{}]", "line 2, pools.x.shadows[0]", "`system`"),
        ("[pools.x]\nshadows = 3", "line 2, pools.x.shadows", "got `int`"),
        ("[pools.x]\nshadows = [{system = 'kalman'}]", "line 2, pools.x.shadows[0].system", "each system runs once"),
        ("[pools.x]\nshadows = [{sistem = 'elo'}]", "line 2, pools.x.shadows[0].sistem", "did you mean 'system'?"),
        ("[pools.7]\nshadows = [{system = 'kalman'}]", "line 2, pools.\"7\".shadows[0].system", "runs once"),
        ("[pools.x]\nfirst_at_home = 1", "line 2, pools.x.first_at_home", "Expected `bool`, got `int`"),
        (
            "[pools.x]\nsystem = 'elo'\nfirst_at_home = true",
            "line 3, pools.x.first_at_home", "'elo' gives a side at home nothing: set parameters.home",
        ),
        ("[pools.x.matchups]\nfloor = 1.1", "line 2, pools.x.matchups.floor", "<= 1.0"),
        ("[pools.x.matchups]\nexposure = 0.9", "line 2, pools.x.matchups.exposure", ">= 1.0"),
        ("[pools.x.matchups]\npolicy = 'best'", "line 2, pools.x.matchups.policy", "no policy 'best'; there are: "),
        ("[pools.x.matchups]\npolicy = 'ucb'", "line 2, pools.x.matchups.policy", "set pairs = true"),
        ("[pools.x.matchups]\nflor = 1", "line 2, pools.x.matchups.flor", "did you mean 'floor'?"),
        ("[pools.x.matchups]\nparameters.k = 1", "line 2, pools.x.matchups.parameters", "name it as 'policy'"),
        (
            "[pools.x.matchups]\npolicy = 'closest'\nparameters.temperature = -1",
            "line 3, pools.x.matchups.parameters.temperature", ">= ",
        ),
    ],
)  # fmt: skip
def test_faults_are_told_with_line_and_key(text: str, where: str, what: str) -> None:
    message = told(text)
    assert message.startswith(f"pools.toml, {where}"), message
    assert what in message


def test_a_preset_stands_among_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Elo, "presets", {"fide": {"k": 20.0, "scale": 300.0}})
    text = (
        '[pools.x]\nsystem = "elo"\nparameters = { preset = "fide", k = 10 }\n[[pools.x.shadows]]\nsystem = "glicko2"\n'
    )
    assert parse_pools(text, "pools.toml").configured("x").live == create("elo", {"k": 10, "scale": 300})
    assert told(text.replace("fide", "fie")) == (
        "pools.toml, line 3, pools.x.parameters.preset: no preset 'fie' of elo; one of: fide"
    )
    for wrong in ("3", "[]", "{ a = 1 }"):
        assert told(text.replace('"fide"', wrong)).startswith(
            "pools.toml, line 3, pools.x.parameters.preset: no preset "
        )
    shadow = f"{text}parameters.preset = 'fide'"
    monkeypatch.setattr(create("glicko2").__class__, "presets", {})
    assert told(shadow) == (
        "pools.toml, line 6, pools.x.shadows[0].parameters.preset: no preset 'fide' of glicko2; glicko2 has none"
    )


def test_lines_of_arrays_of_tables() -> None:
    text = """[pools.y]
[[pools.y.shadows]]
system = "glicko2"
[pools.x]
deviations = 1
[[pools.x.shadows]]
system = "glicko2"
[pools.x.shadows.parameters]
tau = 0.5
[[pools.x.shadows]]
system = "kalman"
"""
    assert told(text).startswith("pools.toml, line 11, pools.x.shadows[1].system: 'kalman' is there already")
    worse = text.replace("tau = 0.5", "tau = 5")
    assert told(worse).startswith("pools.toml, line 9, pools.x.shadows[0].parameters.tau: Expected `float` <= 2.0")
    seven = "[pools.x]\n" + '[[pools.x.shadows]]\nsystem = "glicko2"\n' * 8
    assert told(seven).startswith("pools.toml, line 2, pools.x.shadows: Expected `array` of length <= 7")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[pools.x\n", "line 1"),
        ("[pools.x]\ndeviations = \n", "line 2"),
        ("[pools.x]\n[pools.x]", "twice (at line 2"),
        ("[pools.x]\ndeviations = 1\ndeviations = 2\n", "line 3"),
        ("\ufeff[pools.x]", "line 1"),
        ("[pools.x]\n\0", "line 2"),
        ("[pools.x]\ny = " + "[" * 100_000, "nested too deeply"),
        ("[pools.x]\ny = " + "9" * 10_000, "digits"),
    ],
)
def test_what_is_no_toml(text: str, what: str) -> None:
    assert what in told(text)


@pytest.mark.parametrize(
    ("first", "second"),
    [("*", "chess"), ("*", "a*"), ("*", "[ab]"), ("a*", "ab"), ("a*", "ab*"), ("a*", "a?"), ("*.*", "a.*b")],
)
def test_sections_that_are_never_used(first: str, second: str) -> None:
    text = f'[pools."{first}"]\n[pools."{second}"]'
    assert f'never used: the section "{first}" stands before it' in told(text)
    assert "line 2" in told(text)


@pytest.mark.parametrize(("first", "second"), [("ab*", "a*"), ("a?", "a*"), ("[a-z]", "a"), ("*b*", "a[bc]d")])
def test_sections_that_may_be_used(first: str, second: str) -> None:
    assert len(parse_pools(f'[pools."{first}"]\n[pools."{second}"]', "").sections) == 2


def test_sections_are_bounded() -> None:
    text = "".join(f"[pools.p{number}]\n" for number in range(1_001))
    assert told(text).startswith("pools.toml, line 1001, pools.p1000: at most 1,000 sections")
    assert len(parse_pools(text.replace("[pools.p1000]", ""), "").sections) == 1_000


class Narrow(Elo, frozen=True, kw_only=True):
    """Takes less than Elo."""

    name: ClassVar[str] = "narrow"
    shapes: ClassVar[Shapes] = Shapes(most_sides=2, most_players=1)


class Decided(Elo, frozen=True, kw_only=True):
    """Takes no ties."""

    name: ClassVar[str] = "decided"
    shapes: ClassVar[Shapes] = Shapes(most_sides=5_000, ties=False)


def test_a_shadow_that_takes_less_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would leave matches out in silence."""
    toys = {"narrow": Narrow(), "decided": Decided()}

    def creating(name: str, parameters: dict[str, object]) -> RatingSystem:
        return toys.get(name) or create(name, parameters)

    monkeypatch.setattr(pool_file, "create", creating)
    narrow = '[pools.x]\n[[pools.x.shadows]]\nsystem = "narrow"\n'
    where = "pools.toml, line 2, pools.x.shadows[0]: 'narrow' takes less than 'kalman': set "
    assert told(narrow) == f"{where}most_sides = 2 for the pool"
    assert told(f"pools.x.most_sides = 2\n{narrow[10:]}").endswith("set most_players = 1 for the pool")
    fits = f"pools.x.most_sides = 2\npools.x.most_players = 1\n{narrow[10:]}"
    assert [system.name for system in parse_pools(fits, "").configured("x").systems] == ["kalman", "narrow"]
    assert told(narrow.replace("narrow", "decided")).endswith("'decided' takes no ties, and 'kalman' does")
    # A shadow may take more.
    more = parse_pools('[pools.x]\nsystem = "narrow"\nmost_players = 1\nshadows = [{system = "elo"}]', "")
    assert [system.name for system in more.configured("x").systems] == ["narrow", "elo"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "pools.toml"

    def fault(content: bytes) -> str:
        file.write_bytes(content)
        with pytest.raises(PoolsInvalid) as caught:
            read_pools(file)
        assert str(file) in str(caught.value)
        return str(caught.value)

    assert fault(b"#\xff").endswith("it is not UTF-8 at byte 1")
    # Cut in the middle of a character it is still too large.
    assert f"is larger than {MOST_BYTES} bytes" in fault(b"#" + "é".encode() * MOST_BYTES)
    file.write_bytes(b"#" * MOST_BYTES)
    assert read_pools(file).sections == []
    for missing in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(PoolsInvalid, match="cannot read the pools file"):
            read_pools(missing)
