"""Calls of the apply script that are wrong, and a Redis without room: nothing is written, or it is marked as torn."""

import contextlib
from dataclasses import replace

import pytest
import redis

from service.store.apply import Applied, Refused, Section
from service.store.connection import Argument, StoreUnavailable
from service.store.layout import LAYOUT, Keys
from service.store.partition import load
from standings.embedded import ValkeyServer
from tests.applying import applied, change, dump, on, raw

HASH, ZSET, STREAM, NEW_STREAM = 5, 6, 7, 8
BAD: dict[str, list[Argument]] = {
    "position is no number": [LAYOUT, "1", "7", "9x", 0, 0],
    "position is empty": [LAYOUT, "1", "7", "", 0, 0],
    "position is negative": [LAYOUT, "1", "7", "-9", 0, 0],
    "no counts": [LAYOUT, "1", "7", 9],
    "one count": [LAYOUT, "1", "7", 9, 0],
    "count is no number": [LAYOUT, "1", "7", 9, "x", 0],
    "count is negative": [LAYOUT, "1", "7", 9, -1, 0],
    "count is broken": [LAYOUT, "1", "7", 9, 0, "0.5", "a", "b"],
    "count is infinite": [LAYOUT, "1", "7", 9, 0, "inf", "a", "b"],
    "count is not a number": [LAYOUT, "1", "7", 9, "nan", 0],
    "more fingerprints than there are": [LAYOUT, "1", "7", 9, 2, "a/b", "f", 0],
    "more state than there is": [LAYOUT, "1", "7", 9, 0, 2, "a", "b", "c"],
    "key is not declared": [LAYOUT, "1", "7", 9, 0, 0, 9, "HSET", 1, "a", "b"],
    "key is no number": [LAYOUT, "1", "7", 9, 0, 0, "x", "HSET", 1, "a", "b"],
    "key is live": [LAYOUT, "1", "7", 9, 0, 0, 1, "HSET", 1, "a", "b"],
    "key is that of operators": [LAYOUT, "1", "7", 9, 0, 0, 4, "HSET", 1, "a", "b"],
    "key is the state": [LAYOUT, "1", "7", 9, 0, 0, 2, "HSET", 1, "position", "99"],
    "command is unknown": [LAYOUT, "1", "7", 9, 0, 0, HASH, "DEL", 1, "a"],
    "command in small letters": [LAYOUT, "1", "7", 9, 0, 0, HASH, "hset", 1, "a", "b"],
    "section of nothing": [LAYOUT, "1", "7", 9, 0, 0, HASH, "HSET", 0],
    "half a pair": [LAYOUT, "1", "7", 9, 0, 0, HASH, "HSET", "1.5", "a", "b", "c"],
    "section longer than its arguments": [LAYOUT, "1", "7", 9, 0, 0, HASH, "HSET", 2, "a", "b", "c"],
    "section shorter than its arguments": [LAYOUT, "1", "7", 9, 0, 0, HASH, "HSET", 1, "a", "b", "c"],
    "a hash taken for a board": [LAYOUT, "1", "7", 9, 0, 0, HASH, "ZADD", 1, "1", "a"],
    "a board taken for a hash": [LAYOUT, "1", "7", 9, 0, 0, ZSET, "HSET", 1, "a", "1"],
    "a board taken for a hash to delete from": [LAYOUT, "1", "7", 9, 0, 0, ZSET, "HDEL", 1, "a"],
    "the second section": [LAYOUT, "1", "7", 9, 0, 0, HASH, "HSET", 1, "a", "b", ZSET, "ZADD", 1, "x", "a"],
    "a stream taken for a hash": [LAYOUT, "1", "7", 9, 0, 0, STREAM, "HSET", 1, "a", "b"],
    "a hash taken for a stream": [LAYOUT, "1", "7", 9, 0, 0, HASH, "XADD", 1, 5, 9, "x"],
    "two thirds of an entry": [LAYOUT, "1", "7", 9, 0, 0, STREAM, "XADD", 1, 5, 9],
    "an entry with more": [LAYOUT, "1", "7", 9, 0, 0, STREAM, "XADD", 1, 5, 9, "x", 10],
    "an entry twice": [LAYOUT, "1", "7", 9, 0, 0, STREAM, "XADD", 2, 5, 9, "x", 5, 9, "y"],
    "entries out of order": [LAYOUT, "1", "7", 9, 0, 0, NEW_STREAM, "XADD", 2, 5, 9, "x", 5, 8, "y"],
    "the second stream": [LAYOUT, "1", "7", 9, 0, 0, NEW_STREAM, "XADD", 1, 5, 9, "x", STREAM, "XADD", 1, 5, 7, "x"],
    **{
        f"id {number!r}": [LAYOUT, "1", "7", 9, 0, 0, HASH, "HSET", 1, "a", "b", STREAM, "XADD", 1, 5, number, "y"]
        for number in ("0", "3", "7", "", "x", "-1", "10-1", "*", "9.5", "1e3", "inf", "10 ", "9" * 16, "9" * 30)
    },
    **{
        f"keeping {most!r}": [LAYOUT, "1", "7", 9, 0, 0, NEW_STREAM, "XADD", 1, most, 9, "x"]
        for most in ("0", "", "x", "-1", "~", "1.5", "1e3", "9" * 16, "9" * 30)
    },
    **{
        f"score {score!r}": [LAYOUT, "1", "7", 9, 1, "go/elo", "f", 0, ZSET, "ZADD", 2, "1", "ann", score, "bob"]
        for score in ("nan", "-nan", "inf", "-inf", "1e400", "", "x", " 1", "1 ", "0x10", "1,5", "1f", "--1", "1\0")
    },
}  # fmt: skip


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_a_wrong_call_writes_nothing(
    redis_server: ValkeyServer, plain: redis.Redis, keys: Keys, arguments: list[Argument]
) -> None:
    first = change(keys, None, 7)
    sections = (*first.sections, Section(keys.receipts, "XADD", (5, 3, "x", 5, 7, "y")))
    applied(redis_server.url, keys, replace(first, sections=sections))
    before = dump(plain, keys)
    more = (keys.rows("chess", "elo"), keys.board("chess", "elo"), keys.receipts, keys.changes)
    with pytest.raises(StoreUnavailable, match="INVALID"):
        on(redis_server.url, raw(keys, *arguments, more=more))
    assert dump(plain, keys) == before


def test_a_fingerprint_is_compared_before_the_rest_is_looked_at(redis_server: ValkeyServer, keys: Keys) -> None:
    applied(redis_server.url, keys, change(keys, None, 7))
    wrong = change(keys, 7, 9, fingerprints={"chess/elo": "f2"}, sections=(Section(keys.seen, "ZADD", ("x", "a")),))
    assert applied(redis_server.url, keys, wrong) == [Refused("fingerprint", "chess/elo")]


def test_a_command_that_fails_half_way_leaves_the_torn_mark(
    redis_server: ValkeyServer, plain: redis.Redis, keys: Keys
) -> None:
    applied(redis_server.url, keys, change(keys, None, 7))
    # Lua reads it as 0, ZADD refuses what is too small for a float: the one thing that is not seen beforehand.
    sections = (
        Section(keys.rows("chess", "elo"), "HSET", ("ann", b"new")),
        Section(keys.board("chess", "elo"), "ZADD", ("1e-400", "ann")),
    )
    with pytest.raises(StoreUnavailable, match="not a valid float"):
        applied(redis_server.url, keys, change(keys, 7, 9, sections=sections))
    assert plain.hget(keys.rows("chess", "elo"), "ann") == b"new"
    assert plain.hmget(keys.state, "position", "torn") == [b"7", b"9"]
    assert applied(redis_server.url, keys, change(keys, 7, 9)) == [Refused("torn", "9")]
    loaded = on(redis_server.url, lambda store: load(store, keys))
    assert (loaded.position, loaded.torn) == (7, "9")


def test_a_full_server_writes_nothing(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    """Memory is looked at once, before a script's first write: being full cannot tear a batch."""
    applied(redis_server.url, keys, change(keys, None, 7))
    before = dump(plain, keys)
    plain.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            applied(redis_server.url, keys, change(keys, 7, 9))
        assert dump(plain, keys) == before
        assert on(redis_server.url, lambda store: load(store, keys)).position == 7
    finally:
        plain.config_set("maxmemory", "0")
    assert applied(redis_server.url, keys, change(keys, 7, 9)) == [Applied()]


def test_memory_that_runs_out_inside_a_script_does_not_tear_it(
    redis_server: ValkeyServer, plain: redis.Redis, keys: Keys
) -> None:
    places = [item for number in range(20_000) for item in (repr(number / 7), f"player {number}")]
    board = Section(keys.board("chess", "elo"), "ZADD", places)
    refused, taken, grown = 0, 32 << 20, 0
    try:
        # The least room with which it begins is soon used up: what it writes is larger than the last step.
        while taken - refused > 1 << 17:
            room = (refused + taken) // 2
            used = int(plain.info("memory")["used_memory"])
            plain.config_set("maxmemory", str(used + room))
            with contextlib.suppress(StoreUnavailable):
                applied(redis_server.url, keys, change(keys, None, 1, sections=(board,)))
            state = plain.hmget(keys.state, "position", "torn")
            assert (state, plain.zcard(board.key)) in (([b"1", b""], 20_000), ([None, None], 0))
            if state[0]:
                # Of the key itself: buffers of the server come and go.
                taken, grown = room, int(plain.memory_usage(board.key, samples=0) or 0)
            else:
                refused = room
            plain.delete(keys.state, keys.fingerprints, board.key)
    finally:
        plain.config_set("maxmemory", "0")
    assert grown > 2 * (taken - refused) > 0
