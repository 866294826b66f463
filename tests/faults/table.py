"""The crash matrix: each fault at each point, what comes of it, and the test that shows it; for tests and page."""

from __future__ import annotations

from dataclasses import dataclass

KILLED, TOLD, STORE_KILLED, CUT = "`kill -9`", "SIGTERM", "Redis `kill -9`, started again", "connection cut"

POINTS = {
    "inside the assignment": "the partition's state is asked for",
    "before decode": "records were fetched and have not come",
    "decoded": "the batch is rated, the script not sent",
    "script sent, answer lost": "Redis has the batch, ingest does not know",
    "applied, not committed": "Redis has answered, Kafka's group does not know",
    "committed": "Kafka's group knows",
    "inside a dead letter's send": "Kafka has not seen the letter",
    "dead letter sent, answer lost": "Kafka has the letter, ingest does not know",
    "during the stop": "SIGTERM came, ingest leaves the group",
}
"""Where in the way of a record a fault comes: the point, and what is true there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault at one point.

    Attributes
    ----------
    fault, point : str
        What breaks, and where in the way of a record; together the row's name.
    then : str
        What happens, and what the user sees.
    within : float or None
        Seconds from the end of the fault until all is applied, at most, as the test demands; None where an operator
        has to decide, or where the test measures no time.
    test : str
        The test that shows it, as pytest names it.
    """

    fault: str
    point: str
    then: str
    within: float | None
    test: str

    @property
    def name(self) -> str:
        return f"{self.fault} / {self.point}"


_OF_KAFKA = ("before decode", "committed", "inside a dead letter's send", "dead letter sent, answer lost")

_READ_AGAIN = "`recovering`, then the position is read again and the log from there"
_WAITS_REDIS = "`waiting_for_redis` while it is away, then the log from the stored position"
_ASKED_AGAIN = "Kafka is asked again; a letter that it has already is known by its key"
_ENDS = "ends with code 0; the next start reads on at the stored position"
_STOPS = "the partition stops, alone, reason `{}`; the others go on"
_ALL_STOP = "every partition stops, reason `{}`, and nothing of the other log is applied"
_SEEN = "every partition stops, reason `{}`, within 30 s; set back, it goes on when ingest is started again"


def _at_every_point(
    fault: str, test: str, then: str, of_kafka: str | None = None, stop: str | None = None
) -> list[Row]:
    """One row a point; what happens may be another thing where Kafka is talked to, and during the stop."""
    said = dict.fromkeys(POINTS, then) | dict.fromkeys(_OF_KAFKA, of_kafka or then)
    said["during the stop"] = stop or then
    return [Row(fault, point, said[point], 30, f"tests/faults/{test}_at_every_point") for point in POINTS]


INGEST = [
    *_at_every_point(KILLED, "test_points.py::test_killed", "the next start reads on at the stored position"),
    *_at_every_point(TOLD, "long_faults.py::test_told_to_stop", "what was on its way is settled; " + _ENDS),
    Row(
        "SIGSTOP for longer than the session, then SIGCONT",
        "a batch is on its way",
        "another member takes over; Redis refuses the late batch; the one that was stopped joins again",
        30,
        "tests/faults/test_ingest.py::test_stopped_for_longer_than_its_session",
    ),
    Row(
        "two owners of one partition",
        "under load",
        "Redis refuses the one that is behind; both read on from the stored position",
        None,
        "tests/servers/test_rollbacks.py::test_two_owners_at_once",
    ),
    Row(
        "rolling restart",
        "under load",
        "partitions go to the members that are there",
        30,
        "tests/faults/long_faults.py::test_rolling_restart",
    ),
    Row(
        "rolling restart with static membership",
        "under load",
        "a partition stands still while its own process restarts, here for so long; the other members notice nothing",
        30,
        "tests/faults/long_faults.py::test_rolling_restart_of_members_with_names",
    ),
    Row(
        "a member with a name does not return",
        "under load",
        "its partition stands still until its session of 45 s is over, then the others have it",
        60,
        "tests/faults/long_faults.py::test_a_member_with_a_name_does_not_return",
    ),
    Row(
        "two processes with one name",
        "while they run",
        "the older one ends with code 2 and says why; the newer has its partitions",
        None,
        "tests/servers/test_members.py::test_of_two_with_one_name_the_older_ends",
    ),
    Row(
        "SIGUSR1 with static membership",
        "under load",
        "leaves the group for good and ends with code 0; the others have its partitions within 10 s, not 45 s",
        None,
        "tests/servers/test_scale_in.py::test_scaled_in_under_load_its_peers_take_over_within_seconds",
    ),
    Row(
        "Kafka's client stands still",
        "under load",
        "after 2 min it is built anew, once; where it stands still again the process ends with code 1",
        None,
        "tests/servers/test_watchdog.py::test_a_client_that_stands_still_is_built_anew",
    ),
    Row(
        "more members than partitions",
        "under load",
        "one member has nothing to do until another one leaves",
        30,
        "tests/faults/long_faults.py::test_more_members_than_partitions",
    ),
    Row(
        "members join, leave and die",
        "under load",
        "a dead member's partitions stand still for its session of 10 s",
        None,
        "tests/servers/test_crashes.py::test_members_join_and_leave_while_records_arrive",
    ),
    Row(
        "`kill -9`, ten times over",
        "at random moments",
        "the next start reads on at the stored position",
        None,
        "tests/servers/test_crashes.py::test_killed_again_and_again",
    ),
]

REDIS = [
    *_at_every_point(STORE_KILLED, "test_points.py::test_store_killed", _WAITS_REDIS, stop=_ENDS),
    *_at_every_point(CUT, "test_points.py::test_connection_cut", _WAITS_REDIS, _ASKED_AGAIN, _ENDS),
    *(
        Row(
            "`kill -9` and restart",
            f"append-only file: {kept}",
            _WAITS_REDIS + ("; here that is the log's beginning" if kept == "none" else ""),
            30,
            f"tests/faults/long_faults.py::test_killed_under_load[{kept}]",
        )
        for kept in ("always", "none")
    ),
    Row(
        "`kill -9` and restart",
        "append-only file: everysec",
        _WAITS_REDIS,
        None,
        "tests/servers/test_crashes.py::test_store_killed_under_it",
    ),
    Row(
        "lost with its disk, restored from a backup",
        "under load, ingest runs on",
        "`waiting_for_redis` while it is away, then the log from the backup's position",
        30,
        "tests/faults/test_backup.py::test_restored_while_ingest_runs",
    ),
    Row(
        "lost with its disk, restored from a backup into another one",
        "the log begins after the backup",
        _STOPS.format("log") + "; a newer backup leads out of it",
        30,
        "tests/faults/test_backup.py::test_older_than_the_log",
    ),
    Row(
        "failover to a replica that lacks the last writes",
        "under load",
        "the log is read again from the replica's position",
        30,
        "tests/faults/test_redis.py::test_failover_to_a_replica_that_is_behind",
    ),
    Row(
        "set back to an older state",
        "under load",
        _READ_AGAIN,
        None,
        "tests/servers/test_rollbacks.py::test_set_back_while_it_works",
    ),
    Row(
        "set back to an older state",
        "while nothing arrives",
        "seen within 3 s; " + _READ_AGAIN,
        None,
        "tests/servers/test_rollbacks.py::test_set_back_while_nothing_arrives",
    ),
    Row(
        "`FLUSHALL`",
        "under load, and while nothing arrives",
        "all is built again from the log's beginning",
        None,
        "tests/servers/test_rollbacks.py::test_emptied_while_it_works_and_while_nothing_arrives",
    ),
    Row(
        "`SCRIPT FLUSH`",
        "under load",
        "nothing: the scripts are loaded again",
        30,
        "tests/faults/test_redis.py::test_scripts_forgotten_under_load",
    ),
    Row(
        "out of memory",
        "under load",
        "`waiting_for_redis` with Redis' own words; nothing half written",
        30,
        "tests/faults/test_redis.py::test_refuses_writes_for_a_while[full]",
    ),
    Row(
        "read-only replica",
        "under load",
        "`waiting_for_redis` with Redis' own words",
        30,
        "tests/faults/test_redis.py::test_refuses_writes_for_a_while[read-only]",
    ),
    Row("slow: 300 ms an answer", "under load", "slower", 30, "tests/faults/test_redis.py::test_slow"),
    Row(
        "answers nothing for 7 s",
        "under load",
        "`waiting_for_redis` after 5 s, then the log from the stored position",
        30,
        "tests/faults/long_faults.py::test_answers_nothing_for_longer_than_a_call_may_take",
    ),
    Row(
        "connection cut",
        "in the middle of an answer",
        _WAITS_REDIS,
        30,
        "tests/faults/test_redis.py::test_cut_in_the_middle_of_an_answer",
    ),
    Row(
        "`maxmemory-policy` changed",
        "while it runs",
        _SEEN.format("policy"),
        None,
        "tests/faults/long_faults.py::test_set_wrong_while_it_runs[policy]",
    ),
    Row(
        "a command fails",
        "in the middle of the script",
        "the partition stops, reason `torn`; once its keys are deleted, it is built again",
        30,
        "tests/faults/test_redis.py::test_a_command_fails_in_the_middle_of_the_script",
    ),
    Row(
        "cluster: a master `kill -9`, its replica behind",
        "under load",
        "after 2 s (`cluster-node-timeout`) the replica takes over, and the log brings back what it had not; taken from"
        " the kill; partitions on other masters go on",
        30,
        "tests/faults/test_failover.py::test_failover_in_a_cluster",
    ),
    Row(
        "cluster: a slot is moved",
        "under load",
        "its partition is `waiting_for_redis` while its keys are on both sides; the others go on",
        None,
        "tests/servers/test_cluster.py::test_a_slot_moves_while_records_arrive",
    ),
]

KAFKA = [
    Row(
        "broker `kill -9`, started again",
        "under load",
        "`waiting_for_broker`, or nothing where it is back at once",
        None,
        "tests/servers/test_start_and_stop.py::test_waits_for_the_broker_and_outlives_its_crash",
    ),
    Row(
        "unreachable for a minute",
        "under load",
        "`waiting_for_broker` after 40 s; nothing is applied meanwhile; the group is joined again",
        30,
        "tests/faults/long_faults.py::test_unreachable_for_a_minute",
    ),
    Row(
        "topic missing",
        "at the start",
        "`waiting_for_broker` until it is there",
        30,
        "tests/faults/test_kafka.py::test_topic_missing",
    ),
    Row(
        "log cut behind the stored position",
        "at the start",
        _STOPS.format("log"),
        None,
        "tests/servers/test_stopped.py::test_lost_records_stop_it[was applied before]",
    ),
    Row(
        "log cut behind the stored position",
        "while it runs",
        _STOPS.format("log"),
        None,
        "tests/faults/test_kafka.py::test_log_cut_while_it_runs",
    ),
    Row(
        "topic deleted and made again, shorter",
        "at the start",
        _ALL_STOP.format("log"),
        None,
        "tests/servers/test_stopped.py::test_topic_made_again_is_another_log[100-before the position]",
    ),
    Row(
        "topic deleted and made again, longer",
        "at the start",
        _ALL_STOP.format("log"),
        None,
        "tests/servers/test_stopped.py::test_topic_made_again_is_another_log[1500-not the record that was applied]",
    ),
    Row(
        "topic deleted and made again, shorter",
        "while it runs",
        _ALL_STOP.format("log") + "; seen after about half a minute",
        None,
        "tests/faults/long_faults.py::test_topic_made_again_while_it_runs[shorter]",
    ),
    Row(
        "topic deleted and made again, longer",
        "while it runs",
        _ALL_STOP.format("log") + "; seen after about half a minute",
        None,
        "tests/faults/long_faults.py::test_topic_made_again_while_it_runs[longer]",
    ),
    Row(
        "topic deleted and made again, longer",
        "while no fetch is on its way",
        _ALL_STOP.format("log") + "; seen at the first answer",
        None,
        "tests/faults/long_faults.py::test_topic_made_again_while_nobody_looks",
    ),
    Row(
        "message larger than a fetch",
        "among others",
        "it comes alone, and is a dead letter, `record_too_large`",
        30,
        "tests/faults/test_kafka.py::test_message_larger_than_a_fetch",
    ),
    Row(
        "compressed: gzip, snappy, lz4, zstd",
        "mixed",
        "nothing",
        30,
        "tests/faults/test_kafka.py::test_compressed_in_every_way",
    ),
    Row(
        "transactions aborted",
        "among committed ones",
        "nothing: their offsets are gaps",
        None,
        "tests/servers/test_batches.py::test_transactions_that_were_aborted_leave_nothing_but_gaps",
    ),
    Row(
        "transaction left open",
        "under load",
        "its partitions stand at its beginning, after 5 s as `waiting_for_transaction`; the others go on, and all"
        " do when it is over",
        30,
        "tests/faults/test_kafka.py::test_transaction_left_open",
    ),
    Row(
        "topic compacted by mistake",
        "at the start",
        "ingest refuses to start and says what to set",
        None,
        "tests/servers/test_start_and_stop.py::test_refuses_a_topic_that_forgets",
    ),
    Row(
        "topic compacted by mistake",
        "while it runs",
        _SEEN.format("cleanup"),
        None,
        "tests/faults/long_faults.py::test_set_wrong_while_it_runs[cleanup]",
    ),
    Row(
        "retention shortened",
        "while it runs",
        "goes on; a warning and `standings_topic_forgets`, within 30 s",
        None,
        "tests/servers/test_watch.py::test_retention_shortened",
    ),
    Row(
        "partitions added",
        "at the start",
        "every partition stops, reason `partitions`",
        None,
        "tests/servers/test_stopped.py::test_added_partitions_stop_all",
    ),
    Row(
        "partitions added",
        "while it runs",
        "every partition stops, reason `partitions`, within 30 s; nothing is lost",
        None,
        "tests/faults/long_faults.py::test_set_wrong_while_it_runs[partitions]",
    ),
    Row(
        "a second group on the same keys",
        "at the start",
        "it is refused by name and the first goes on; where the first has no members it takes over",
        None,
        "tests/servers/test_second_group.py::test_refused_until_the_first_has_gone",
    ),
    Row(
        "a second group on the same keys",
        "while it runs, what was noted lost",
        "no record counts twice; within 30 s one of the two stops, reason `group`",
        None,
        "tests/faults/long_faults.py::test_second_group_while_it_runs",
    ),
    Row(
        "records with a wrong key or in a wrong partition",
        "among others",
        "dead letters, `wrong_key` and `wrong_partition`",
        None,
        "tests/servers/test_bad_records.py::test_every_bad_record_is_a_dead_letter_once",
    ),
]

MATRIX = {"Ingest": INGEST, "Redis": REDIS, "Kafka": KAFKA}
"""The rows by where the fault comes from."""
