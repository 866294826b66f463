"""The topics, described for programs: AsyncAPI 3.0, made from the definitions that the service itself uses."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from service.broker import TOPIC_SETTINGS
from service.dead_letters import REPLAYED_HEADER
from service.log import dead_letters_topic, matchups_topic
from service.match import RECORD_BYTES, Match, Side
from service.partitioner import Partitioner
from service.problems import PROBLEMS
from service.seed import Seed, SeededPlayer
from service.store.streams import RECEIPT_HEADER
from service.suggest.account import Account, Base

_AT: Final = 1_795_000_000_000
MATCH_EXAMPLE: Final = Match("m-81", "blitz", _AT, (Side(("ann",), rank=1), Side(("bob",), rank=2)))
SEED_EXAMPLE: Final = Seed("seed", "s-1", "blitz", _AT, "kalman", (SeededPlayer("ann", 1820.0, 60.0),))

_CLIENTS: Final[dict[Partitioner, str]] = {
    "murmur2": "`murmur2`, as the clients of Java and aiokafka do",
    "crc32": "`crc32`, as librdkafka and what is built on it do",
}


def _integer(description: str) -> dict[str, str]:
    # The value of a header is text.
    return {"type": "string", "pattern": "^-?[0-9]+$", "description": description}


def _text(description: str) -> dict[str, str]:
    return {"type": "string", "description": description}


LETTER_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "reason": {"type": "string", "enum": list(PROBLEMS), "description": "the kind of problem; see /problems/{reason}"},
    "detail": _text("what is wrong in this case, at most 1,024 bytes"),
    "field": _text("the wrong field, where there is one"),
    "topic": _text("where the record lay"),
    "partition": _integer("where the record lay"),
    "offset": _integer("where the record lay"),
    "timestamp": _integer("the record's own, epoch milliseconds"),
    "key": _text("the record's key, where it had one; at most 1,024 bytes"),
    "bytes": _integer("the size of a value of which only the beginning is kept"),
    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "of the whole of such a value"},
}
"""Every header of a dead letter."""

_ALWAYS: Final = ("reason", "detail", "topic", "partition", "offset", "timestamp")


@lru_cache(4)
def asyncapi(topic: str, partitioner: Partitioner) -> dict[str, Any]:
    """Describe the topics of an installation.

    Parameters
    ----------
    topic : str
        The topic of matches.
    partitioner : {"murmur2", "crc32"}
        By which pools are placed.

    Returns
    -------
    dict
        To be written as JSON.

    Examples
    --------
    >>> [channel["address"] for channel in asyncapi("matches", "murmur2")["channels"].values()]
    ['matches', 'matches.dead-letters', 'matches.matchups']
    """
    kinds = (Match, Seed, Base, Account)
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Standings",
            "version": "1",
            "description": "Results arrive on one topic, ratings move at once; what cannot be used is kept on another,"
            " and what was suggested on a third.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "matches": _matches(topic, partitioner),
            "deadLetters": _dead_letters(topic),
            "matchups": _matchups(topic),
        },
        "operations": {
            "receiveRecords": {
                "action": "receive",
                "title": "Take matches and seeds",
                "channel": {"$ref": "#/channels/matches"},
                "messages": [{"$ref": f"#/channels/matches/messages/{name}"} for name in ("match", "seed")],
            },
            "sendDeadLetters": {
                "action": "send",
                "title": "Keep what cannot be used",
                "channel": {"$ref": "#/channels/deadLetters"},
                "messages": [{"$ref": "#/channels/deadLetters/messages/deadLetter"}],
            },
            "sendMatchups": {
                "action": "send",
                "title": "Account for matchups",
                "channel": {"$ref": "#/channels/matchups"},
                "messages": [{"$ref": f"#/channels/matchups/messages/{name}"} for name in ("base", "account")],
            },
        },
        "components": {
            "schemas": {**schemas, "DeadLetterHeaders": _letter_headers()},
            "messages": {
                "match": _record("Match", "One result", MATCH_EXAMPLE),
                "seed": _record("Seed", "Ratings that an existing ladder brings along", SEED_EXAMPLE),
                "deadLetter": _letter(topic),
                "base": _told("Base", "What was known of a pool's players when matchups were drawn"),
                "account": _told("Account", "What one request for matchups was given, and how it was drawn"),
            },
        },
    }


def _matches(topic: str, partitioner: Partitioner) -> dict[str, Any]:
    return {
        "address": topic,
        "title": "Matches",
        "description": "A record's key is its pool's name, and its partition follows from the key by"
        f" {_CLIENTS[partitioner]}. A record larger than {RECORD_BYTES:,} bytes is a dead letter. A match counts once"
        " by its `id`, so a record may be sent again after any doubt.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in ("match", "seed")},
        "bindings": {
            "kafka": {
                "topic": topic,
                "topicConfiguration": {
                    name: value.split(",") if name == "cleanup.policy" else int(value)
                    for name, value in TOPIC_SETTINGS.items()
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _dead_letters(topic: str) -> dict[str, Any]:
    return {
        "address": dead_letters_topic(topic),
        "title": "Dead letters",
        "description": "Records that could not be used, each with the reason. A letter can come twice: its key,"
        " `topic/partition/offset` of the record, tells them apart.",
        "messages": {"deadLetter": {"$ref": "#/components/messages/deadLetter"}},
        "bindings": {"kafka": {"topic": dead_letters_topic(topic), "bindingVersion": "0.5.0"}},
    }


def _matchups(topic: str) -> dict[str, Any]:
    return {
        "address": matchups_topic(topic),
        "title": "Accounts of matchups",
        "description": "Every matchup that was suggested, with all that is needed to draw it again. An account goes on"
        " from the base that it names and the account before it, by their numbers.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in ("base", "account")},
        "bindings": {"kafka": {"topic": matchups_topic(topic), "bindingVersion": "0.5.0"}},
    }


def _told(name: str, summary: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": "the pool"}, "bindingVersion": "0.5.0"}},
    }


def _record(name: str, summary: str, example: Match | Seed) -> dict[str, Any]:
    replayed = _text("a dead letter that was sent again: topic/partition/offset of the first record")
    receipt = _text("ask for a receipt: what became of the record; the value is of no account")
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": {RECEIPT_HEADER: receipt, REPLAYED_HEADER: replayed}},
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": "the pool"}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": "plain", "payload": msgspec.to_builtins(example)}],
    }


def _letter_headers() -> dict[str, Any]:
    return {"type": "object", "required": list(_ALWAYS), "properties": LETTER_HEADERS, "additionalProperties": False}


def _letter(topic: str) -> dict[str, Any]:
    return {
        "name": "DeadLetter",
        "title": "Dead letter",
        "summary": "A record that could not be used: its value as it came, of a long one the beginning",
        "contentType": "application/octet-stream",
        "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
        "payload": {"type": ["string", "null"]},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "topic/partition/offset of the record"},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [
            {
                "name": "rank missing",
                "headers": {
                    "reason": "invalid_match",
                    "detail": "sides[1]: has neither rank nor score",
                    "field": "sides[1]",
                    "topic": topic,
                    "partition": "3",
                    "offset": "184467",
                    "timestamp": str(_AT),
                    "key": "blitz",
                },
                "payload": '{"id": "m-81", "pool": "blitz", "at": 0, "sides": [{"players": ["ann"], "rank": 1},'
                ' {"players": ["bob"]}]}',
            }
        ],
    }
