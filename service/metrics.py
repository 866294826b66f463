"""Every metric of the service, typed, declared once. No player's name is ever a label."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, Info

BUILD: Final = Info("standings_build", "Which version of the service a process runs.")
BUILD.info({"version": version("standings")})
READINESS: Final = Gauge(
    "standings_ready", "1 where /readyz says yes, else 0, by part: ingest, refit, serve.", ["part"]
)
RECORDS: Final = Counter(
    "standings_records",
    "Records brought in, by what became of them: applied, duplicate, or the reason of the dead letter.",
    ["outcome"],
)
BATCH_RECORDS: Final = Histogram(
    "standings_batch_records", "Records in an applied batch.", buckets=(0, 1, 10, 100, 500, 1000, 2000, 5000)
)
BATCH_SECONDS: Final = Histogram(
    "standings_batch_seconds",
    "Time of a batch by step: prepare is decoding, rating and packing; apply is the answer of Redis.",
    ["step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
LAG: Final = Gauge(
    "standings_lag_records", "Offsets between the applied position and the last stable offset.", ["partition"]
)
TRANSACTION_SECONDS: Final = Gauge(
    "standings_transaction_seconds",
    "How long an open transaction has been in the way of all that follows it; 0 where none is.",
    ["partition"],
)
READABLE_SECONDS: Final = Histogram(
    "standings_event_to_readable_seconds",
    "From the timestamp of a batch's first record, which its producer gave it, until its ratings could be read.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400),
)
TOPIC_RETENTION_SECONDS: Final = Gauge(
    "standings_topic_retention_seconds", "How long the topic of matches keeps a record; +Inf where for ever."
)
TOPIC_FORGETS: Final = Gauge(
    "standings_topic_forgets", "1 where the topic of matches drops records after a time or past a size, else 0."
)
REFUSALS: Final = Counter(
    "standings_guard_refusals",
    "Batches that the guard in Redis kept out or whose answer was lost, by kind.",
    ["kind"],
)
REBALANCES: Final = Counter("standings_rebalances", "Assignments of partitions to this process.")
PARTITIONS: Final = Gauge("standings_partitions", "Partitions of this process by state.", ["state"])
STATE: Final = Gauge("standings_ingest_state", "1 for the state of ingest as a whole, 0 for the others.", ["state"])
REBUILDS: Final = Counter(
    "standings_client_rebuilds",
    "Times that the Kafka client was torn down and built anew, by the part that stood still.",
    ["part"],
)
FIT_SECONDS: Final = Histogram(
    "standings_fit_seconds",
    "Time in which the joint posterior of one pool was fitted, reading and writing included.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
FIT_BEHIND: Final = Gauge(
    "standings_fit_behind_seconds", "How long the pool that waits longest has had results that are not in its fit."
)
EXPOSURE_RATIO: Final = Gauge(
    "standings_exposure_ratio",
    "How many times as often as the least suggested player the most suggested one was, in the worst of the pools that"
    " bound it and that this process suggests for; 0 where there is none.",
)
POSITION_IMBALANCE: Final = Gauge(
    "standings_position_imbalance",
    "From 0, where each player was shown as often first as last, to 1, in the worst of the same pools.",
)
KEYS_REFUSED: Final = Gauge(
    "standings_keys_file_refused", "1 where the keys file cannot be used and the keys before stay in force, else 0."
)
REQUEST_SECONDS: Final = Histogram(
    "standings_request_seconds",
    "Time of an API request by route and status.",
    ["route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
