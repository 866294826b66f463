"""The keys file: what it takes, what it refuses in one line that shows no secret, and how a key is made."""

import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.keys import MOST_BYTES, MOST_KEYS, SCOPES, Key, KeysInvalid, Scope, new_key, read_keys, whose

KEY, TABLE = new_key("arena", ["feed", "read"])
SECRET = KEY.rpartition("_")[2]


def refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(KeysInvalid) as raised:
        read_keys(path)
    said = str(raised.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert SECRET not in said
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no key in it; 'standings keys new NAME --scope read' makes one"),
        ("# none\n", "no key in it; 'standings keys new NAME --scope read' makes one"),
        (KEY, "no TOML at end of document"),
        (f"{TABLE}{TABLE}", "no TOML at line 4, column 7"),
        (f"{KEY} = {SECRET}", "no TOML at line 1, column "),
        (f'arena = "{KEY}"', "[arena]: Expected `object`, got `str`"),
        (TABLE.replace("arena", f'"{KEY}"'), "table 1: a name is 1 to 40 small letters, digits and dashes, "),
        (f'[arena]\nscopes = ["read"]\nsha256 = "{KEY}"', "[arena]: Expected `str` matching regex '^[0-9a-f]{64}$'"),
        (TABLE.replace("feed", KEY), "[arena]: a key has scopes, each one of read, feed, suggest, operate"),
        (TABLE.replace('"read", "feed"', ""), "[arena]: a key has scopes, each one of read, feed, suggest, operate"),
        (f"{TABLE}requests = 3", "[arena]: Object contains unknown field `requests`"),
        (f"{TABLE}requests_per_second = 0", "[arena]: Expected `int` >= 1 - at `$.requests_per_second`"),
        ("[arena]\nscopes = []", "[arena]: Object missing required field `sha256`"),
        (" " * (MOST_BYTES + 1), f"larger than {MOST_BYTES:,} bytes"),
        ("".join(f"[k{number}]\n" for number in range(MOST_KEYS + 1)), f"more than {MOST_KEYS:,} keys"),
    ],
    # The key is another one in each process.
    ids=map(str, count()),
)
def test_what_is_refused_is_named_and_not_shown(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path / "keys.toml", text).startswith(said)


def test_what_is_no_text_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    with pytest.raises(KeysInvalid, match="No such file"):
        read_keys(path)
    path.write_bytes(b"# \xff")
    with pytest.raises(KeysInvalid, match=r"not UTF-8 at byte 2$"):
        read_keys(path)
    with pytest.raises(KeysInvalid, match=r"Is a directory$"):
        read_keys(tmp_path)


@given(
    names=st.lists(st.from_regex("[a-z0-9][a-z0-9-]{0,39}", fullmatch=True), min_size=1, max_size=5, unique=True),
    scopes=st.sets(st.sampled_from(SCOPES), min_size=1),
)
def test_each_key_is_found_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], scopes: set[Scope]
) -> None:
    made = {name: new_key(name, scopes) for name in names}
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.write_text("".join(table for _, table in made.values()))
    keys = read_keys(path)
    for name, (key, _) in made.items():
        found = whose(keys, key.encode())
        assert found is not None
        assert (found.name, set(found.scopes)) == (name, scopes)
        head, last = key[:-1], key[-1]
        for wrong in (head, f"{key}0", f"{head}{'0' if last != '0' else '1'}", key.upper(), key.replace("sk", "pk")):
            assert whose(keys, wrong.encode()) is None
        other = new_key(name, scopes)[0]
        assert whose(keys, other.encode()) is None


@given(shown=st.binary(max_size=200) | st.from_regex(rb"sk_[a-z]{0,5}_\w{0,70}", fullmatch=True))
def test_whatever_else_is_shown_is_nobodys(shown: bytes) -> None:
    known = {name: Key(name, SCOPES, bytes(32)) for name in ("", "a", "arena")}
    assert whose(known, shown) is None


def test_the_command_prints_the_key_apart_from_its_table(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "standings", "keys", "new", "arena", "--scope", "feed", "--scope", "read"]
    made = subprocess.run(words, capture_output=True, text=True, check=True)
    path = tmp_path / "keys.toml"
    path.write_text(made.stdout)
    assert re.fullmatch(r"sk_arena_[0-9a-f]{64}\n", made.stderr)
    assert made.stderr.strip() not in made.stdout
    found = whose(read_keys(path), made.stderr.strip().encode())
    assert found is not None
    assert found.scopes == ("read", "feed")
