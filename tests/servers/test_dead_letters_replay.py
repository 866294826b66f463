"""Dead letters sent again: those that can be used by now, once each, as they were."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from service.dead_letters import REPLAYED_HEADER
from standings.embedded import KafkaServer, ValkeyServer
from standings.errors import Trouble
from tests.conftest import Command, Unique
from tests.letters import HERE, PARTITIONS, POOL, brought_in, counts, dead, duel, replayed
from tests.made_up import mixture
from tests.oracle import Record, partition_of
from tests.oracle import replay as oracle
from tests.replay import Replay, begin
from tests.topics import Item, admin, make_topic, produce, remove_topic


def test_what_can_be_used_is_sent_again_and_nothing_else(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    """The oracle, which knows nothing of replays, finds no dead letter among them and no use for any left out."""
    here = brought_in(begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, mixture(42, 900, PARTITIONS)))
    before, letters = counts(here), dead(here)
    foretold = replayed(here, dry_run=True)
    assert here.reread().ends == here.ends, "a dry run sent something"
    done = replayed(here)
    assert (done.sent, done.left_out) == (foretold.sent, foretold.left_out)
    longer = brought_in(here)
    longer.check()
    after = counts(longer)
    assert after == before + Counter(applied=done.sent.total())
    assert done.sent.total() + len(done.left_out) == len(letters)
    assert {letters[place.partition, place.offset] for place, *_ in done.left_out} < set(letters.values())

    left = {(place.partition, place.offset): reason for place, reason, _ in done.left_out}
    sent = [letters[place] for place in letters if place not in left]
    assert {"wrong_key", "wrong_partition"} <= set(sent)
    # Were they sent after all, each would be what was said of it; none of them changes what becomes of the others.
    logs = {number: list(read.records) for number, read in longer.log.items()}
    became: dict[tuple[int, int], str] = {}
    for (number, offset), reason in left.items():
        (record,) = (one for one in here.log[number].records if one.offset == offset)
        pool = pool_named(record.value) or POOL
        target = partition_of(pool, PARTITIONS)
        end = logs[target][-1].offset + 1
        logs[target].append(Record(end, 2_000_000_000_000, pool.encode(), record.value))
        became[target, end] = reason
    for number, records in logs.items():
        state = oracle(records, records[-1].offset + 1, number, PARTITIONS)
        reasons = dict(state.letters)
        for one in records[len(longer.log[number].records) :]:
            assert reasons.get(one.offset, "duplicate") == became[number, one.offset]

    second = replayed(here)
    assert (second.sent.total(), len(second.left_out)) == (0, len(letters))
    assert Counter(reason for _, reason, _ in second.left_out)["duplicate"] >= done.sent.total()
    assert here.reread().ends == longer.ends


def pool_named(value: bytes | None) -> str | None:
    try:
        found = json.loads(value or b"")["pool"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def test_a_replayed_record_is_as_it_was_but_for_its_key_and_says_where_it_comes_from(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path
) -> None:
    """In the order in which it was recorded, wherever it lay."""
    headers = (("trace", b"7f"), ("receipt", b""), ("trace", b"80"))
    items = [
        Item(b"other", duel(number), 1_790_000_000_000 + 1000 * number, number % PARTITIONS, headers)
        for number in range(12)
    ]
    here = brought_in(begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items))
    assert len(dead(here)) == 12
    longer = brought_in_after(here, lambda: replayed(here, pool=POOL))
    new = [one for one in longer.log[HERE].records if one.offset >= here.log[HERE].end]
    assert [(one.key, one.value) for one in new] == [(POOL.encode(), duel(number)) for number in range(12)]
    for number, one in enumerate(new):
        origin = f"{here.place.topic}/{number % PARTITIONS}/{number // PARTITIONS}"
        assert one.headers == (("trace", b"7f"), ("trace", b"80"), (REPLAYED_HEADER, origin.encode()))
        assert one.timestamp > 1_795_000_000_000
    assert counts(longer)["applied"] == 12


def brought_in_after(here: Replay, step: Callable[[], object]) -> Replay:
    step()
    longer = brought_in(here)
    longer.check()
    return longer


@pytest.mark.parametrize("made_again", [False, True])
def test_letters_stand_in_for_a_log_that_lost_its_records(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, command: Command, made_again: bool
) -> None:
    """Where they are whole: of a longer value a letter keeps the beginning, which is never sent."""
    items = [Item(b"other", duel(number, 300_000 * (number == 1)), 1_790_000_000_000, HERE) for number in range(3)]
    here = brought_in(begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items))
    topic = here.place.topic
    connect = ("--kafka", kafka.bootstrap, "--topic", topic)
    _, out, _ = command("dead-letters", "show", f"{topic}/{HERE}/1", *connect)
    assert '"id": "d-1"' in out
    assert "cut" not in out

    async def lose() -> None:
        if made_again:
            await remove_topic(kafka.bootstrap, topic)
            await make_topic(kafka.bootstrap, topic, PARTITIONS)
            return
        async with admin(kafka.bootstrap) as asked:
            await asked.delete_records({TopicPartition(topic, HERE): RecordsToDelete(here.log[HERE].end)})

    asyncio.run(lose())
    others = [Item(b"other", duel(number), 1_790_000_000_001, HERE) for number in range(4)] * made_again
    produce(kafka.bootstrap, topic, PARTITIONS, others)
    _, out, _ = command("dead-letters", "show", f"{HERE}/1", *connect)
    assert "cut: the letter keeps 262,144 of 300" in out
    done = replayed(here)
    assert [(place.offset, reason) for place, reason, _ in done.left_out] == [(1, "gone")]
    new = here.reread().log[HERE].records[len(others) :]
    assert [one.value for one in new] == [duel(0), duel(2)]
    assert [one.headers for one in new] == [
        ((REPLAYED_HEADER, f"{topic}/{HERE}/{number}".encode()),) for number in (0, 2)
    ]


def test_a_replay_that_broke_off_is_finished_by_another(
    kafka: KafkaServer, valkey: ValkeyServer, unique: Unique, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What became of the first one's records nobody knows; a match counts once."""
    items = [Item(b"other", duel(number), 1_790_000_000_000, HERE) for number in range(12)]
    here = brought_in(begin(kafka.bootstrap, valkey.url, unique, tmp_path, PARTITIONS, items))
    with monkeypatch.context() as broken:
        broken.setattr("standings.replay.SEND_S", 0.0)
        with pytest.raises(Trouble, match=r"0 were sent for certain, and a second replay counts none twice"):
            replayed(here)
    assert counts(brought_in_after(here, lambda: replayed(here)))["applied"] == 12
