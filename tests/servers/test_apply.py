"""One range of offsets into Redis, whole or not at all: on Valkey and on Debian's Redis."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest
import redis

from service.store.apply import Applied, Change, Moved, Refused, Section, apply
from service.store.connection import Argument, Store, script
from service.store.layout import LAYOUT, Keys
from service.store.partition import load, read_fields
from standings.embedded import ValkeyServer
from tests.applying import BLOCK, applied, change, dump, on, raw


def test_a_change_is_all_there(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    assert applied(redis_server.url, keys, change(keys, None, 7)) == [Applied()]
    content = dump(plain, keys)
    assert content == {
        keys.state.encode(): {
            b"position": b"7", b"layout": LAYOUT.encode(), b"torn": b"", b"partitions": b"4", b"count/applied": b"7",
        },
        keys.fingerprints.encode(): {b"chess/elo": b"f1"},
        keys.rows("chess", "elo").encode(): {b"ann": b"\x00\xff", b"bob": b"row"},
        keys.board("chess", "elo").encode(): [(b"bob", -1e-05), (b"ann", 1516.0)],
        keys.seen.encode(): {b"7": BLOCK},
    }  # fmt: skip
    gone = Section(keys.seen, "HDEL", ("7", "never there"))
    following = change(keys, 7, 9, sections=(gone,), state={"count/applied": 8}, fingerprints={})
    assert applied(redis_server.url, keys, following) == [Applied()]
    assert not plain.exists(keys.seen)
    assert plain.hgetall(keys.state) == {
        b"position": b"9", b"layout": LAYOUT.encode(), b"torn": b"", b"partitions": b"4", b"count/applied": b"8",
    }  # fmt: skip


def test_what_is_applied_is_loaded(redis_server: ValkeyServer, keys: Keys) -> None:
    async def work(store: Store) -> None:
        fresh = await load(store, keys)
        assert (fresh.position, fresh.torn, fresh.layout, fresh.partitions, fresh.anchor) == (None, "", "", None, None)
        assert (fresh.counts, fresh.fingerprints, fresh.seen, fresh.readable) == ({}, {}, {}, True)
        anchor = {"anchor_offset": 6, "anchor_timestamp": -5, "anchor_digest": "d"}
        sections = (Section(keys.seen, "HSET", ("0", BLOCK)),)
        await apply(store, keys, change(keys, None, 7, state={"count/dead/malformed": 2, **anchor}, sections=sections))
        loaded = await load(store, keys)
        assert (loaded.position, loaded.counts, loaded.fingerprints) == (7, {"dead/malformed": 2}, {"chess/elo": "f1"})
        assert loaded.anchor is not None
        assert (loaded.anchor.offset, loaded.anchor.timestamp, loaded.anchor.digest) == (6, -5, "d")
        assert loaded.seen["0"].tobytes() == BLOCK
        assert loaded.readable

    on(redis_server.url, work)


def test_an_empty_range_moves_the_position_alone(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    applied(redis_server.url, keys, change(keys, None, 7))
    before = dump(plain, keys)
    empty = change(keys, 7, 7, sections=(), state={}, fingerprints={})
    assert applied(redis_server.url, keys, empty, replace(empty, end=12)) == [Applied(), Applied()]
    state = before[keys.state.encode()]
    assert isinstance(state, dict)
    state[b"position"] = b"12"
    assert dump(plain, keys) == before


def test_another_position_writes_nothing(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    first = change(keys, None, 7)
    assert applied(redis_server.url, keys, replace(first, start=3)) == [Moved(None)]
    assert dump(plain, keys) == {}
    assert applied(redis_server.url, keys, first, first) == [Applied(), Moved(7)]
    before = dump(plain, keys)
    for start in (None, 0, 6, 8, 70):
        assert applied(redis_server.url, keys, change(keys, start, 9)) == [Moved(7)]
    for text in ("07", "7.0", "+7", " 7", "7e0", "0x7", ""):
        call = raw(keys, LAYOUT, "1", text, 9, 0, 0)
        assert on(redis_server.url, call) == [b"moved", b"7"], "positions are strings, and equal or not"
    assert dump(plain, keys) == before


def test_what_an_operator_decides_is_refused(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    url = redis_server.url
    applied(url, keys, change(keys, None, 7))
    good = change(keys, 7, 9)

    def refused() -> Refused:
        before = dump(plain, keys)
        (answer,) = applied(url, keys, good)
        assert dump(plain, keys) == before
        assert isinstance(answer, Refused)
        return answer

    plain.hset(keys.state, "layout", "1")
    assert refused() == Refused("layout", "1")
    # A torn mark weighs more than a layout, another generation more than both.
    plain.hset(keys.state, "torn", "8")
    assert refused() == Refused("torn", "8")
    plain.set(keys.live, "2")
    assert refused() == Refused("generation", "2")
    assert applied(url, replace(keys, generation="2"), change(replace(keys, generation="2"), None, 1)) == [Applied()]
    plain.set(keys.live, "1")
    plain.hset(keys.state, mapping={"layout": LAYOUT, "torn": ""})
    assert applied(url, keys, good) == [Applied()]


def test_a_reader_follows_the_live_generation(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    built = replace(keys, generation="2")
    plain.set(keys.live, "2")
    assert applied(redis_server.url, built, change(built, None, 5)) == [Applied()]
    loaded = on(redis_server.url, lambda store: load(store, keys))
    assert (loaded.keys, loaded.position) == (built, 5)


def test_fingerprints_belong_to_a_pool_and_a_system(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    url = redis_server.url
    two = {"chess/elo": "f1", "go/elo": "g1"}
    assert applied(url, keys, change(keys, None, 1, fingerprints=two)) == [Applied()]
    before = dump(plain, keys)
    for fingerprints, named in [
        ({"chess/elo": "f2"}, "chess/elo"),
        ({"chess/elo": "f1", "go/elo": "g2"}, "go/elo"),
        ({"new/elo": "n1", "go/elo": "G1"}, "go/elo"),
    ]:
        assert applied(url, keys, change(keys, 1, 2, fingerprints=fingerprints)) == [Refused("fingerprint", named)]
    assert dump(plain, keys) == before
    # Other pools, and other systems of the same pool, go on; what is new is stored.
    more = {"go/elo": "g1", "chess/glicko2": "s1", "blitz/elo": "b1"}
    assert applied(url, keys, change(keys, 1, 2, fingerprints=more)) == [Applied()]
    assert plain.hgetall(keys.fingerprints) == {
        b"chess/elo": b"f1", b"go/elo": b"g1", b"chess/glicko2": b"s1", b"blitz/elo": b"b1",
    }  # fmt: skip


def test_streams_are_capped_and_go_on(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    def batch(start: int | None, *entries: Argument) -> Change:
        end = (start or 0) + 100
        streams = (
            Section(keys.receipts, "XADD", entries),
            Section(keys.changes, "XADD", (2, end, f"to {end}")),
        )
        return change(keys, start, end, sections=streams)

    def entries(key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        return cast("list[tuple[bytes, dict[bytes, bytes]]]", plain.xrange(key))

    url = redis_server.url
    assert applied(url, keys, batch(None, 3, 7, b"\x00\xff", 3, 8, "", 3, 100, "c")) == [Applied()]
    assert entries(keys.receipts) == [
        (b"7-0", {b"v": b"\x00\xff"}), (b"8-0", {b"v": b""}), (b"100-0", {b"v": b"c"}),
    ]  # fmt: skip
    # To the entry exactly, or what is kept would hang on the server's nodes.
    assert applied(url, keys, batch(100, 3, 101, "d", 3, 102, "e"), batch(200, 3, 300, "f")) == [Applied()] * 2
    assert [name for name, _ in entries(keys.receipts)] == [b"101-0", b"102-0", b"300-0"]
    assert entries(keys.changes) == [(b"200-0", {b"v": b"to 200"}), (b"300-0", {b"v": b"to 300"})]
    most = [item for number in range(301, 8_301) for item in (10_000, number, str(number))]
    one = change(keys, 300, 9_000, sections=(Section(keys.receipts, "XADD", most),))
    assert applied(url, keys, one) == [Applied()]
    assert plain.xlen(keys.receipts) == 8_003


@pytest.mark.parametrize("score", [0.0, -0.0, 5e-324, -1.7976931348623157e308, 1e16, 123456789.123456789, 0.1 + 0.2])
def test_scores_keep_their_bits(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys, score: float) -> None:
    board = Section(keys.board("chess", "elo"), "ZADD", (repr(score), "ann"))
    assert applied(redis_server.url, keys, change(keys, None, 1, sections=(board,))) == [Applied()]
    assert plain.zscore(keys.board("chess", "elo"), "ann") == score


def test_twenty_thousand_players_in_one_match(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    names = [f"player {number}" for number in range(20_000)]
    rows = [item for name in names for item in (name, name.encode() * 3)]
    places = [item for number, name in enumerate(names) for item in (repr(number / 7), name)]
    key, board = keys.rows("chess", "elo"), keys.board("chess", "elo")
    sections = (Section(key, "HSET", rows), Section(board, "ZADD", places))
    assert applied(redis_server.url, keys, change(keys, None, 1, sections=sections)) == [Applied()]
    assert plain.hgetall(key) == {name.encode(): name.encode() * 3 for name in names}
    assert plain.zrange(board, 0, -1, withscores=True) == [
        (name.encode(), number / 7) for number, name in enumerate(names)
    ]
    asked = [*names, "nobody", *names[::-1]]
    fields = on(redis_server.url, lambda store: read_fields(store, keys, [(key, asked), (keys.totals, ["chess"])]))
    assert fields.values == [
        [*(name.encode() * 3 for name in names), None, *(n.encode() * 3 for n in names[::-1])],
        [None],
    ]
    deleted = Section(key, "HDEL", names[1:])
    assert applied(redis_server.url, keys, change(keys, 1, 2, sections=(deleted,))) == [Applied()]
    assert plain.hkeys(key) == [names[0].encode()]


def test_scripts_that_are_gone_are_loaded_again(redis_server: ValkeyServer, plain: redis.Redis, keys: Keys) -> None:
    async def work(store: Store) -> None:
        for position in range(3):
            plain.script_flush()
            assert await apply(store, keys, change(keys, position or None, position + 1)) == Applied()
            plain.script_flush()
            assert (await load(store, keys)).position == position + 1
        # Loaded once: many at a time find it gone together.
        plain.script_flush()
        assert {loaded.position for loaded in await asyncio.gather(*(load(store, keys) for _ in range(50)))} == {3}

    on(redis_server.url, work)
    assert plain.script_exists(script("load_partition").sha) == [True]


def test_reads_stand_for_one_position(redis_server: ValkeyServer, keys: Keys) -> None:
    """While one writes, others read: what they read is of the position that comes with it."""
    rows = keys.rows("chess", "elo")

    async def work(store: Store) -> int:
        done = asyncio.Event()

        async def write() -> None:
            for position in range(300):
                text = str(position + 1)
                sections = (
                    Section(rows, "HSET", ("ann", text, "bob", text)),
                    Section(keys.seen, "HSET", ("0", text * 28)),
                )
                await apply(store, keys, change(keys, position or None, position + 1, sections=sections))
            done.set()

        async def read() -> int:
            seen = set()
            while not done.is_set():
                fields = await read_fields(store, keys, [(rows, ["ann", "nobody"]), (rows, ["bob"])])
                text = None if fields.position is None else str(fields.position).encode()
                assert (fields.values, fields.generation) == ([[text, None], [text]], "1")
                names = (keys.live, keys.state, keys.fingerprints, keys.seen, keys.skipped)
                answer = await store.run("load_partition", names, ())
                state = dict(zip(answer[1][::2], answer[1][1::2], strict=True))
                assert answer[3] == ([b"0", state[b"position"] * 28] if state else [])
                seen.add(text)
            return len(seen)

        writing = asyncio.create_task(write())
        counts = await asyncio.gather(*(read() for _ in range(4)))
        await writing
        return min(counts)

    assert on(redis_server.url, work) > 10
