"""What all owners of partitions in one process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer

from consumers.dead_letters import DeadLetters
from consumers.health import Health
from consumers.tally import Bounds
from consumers.watch import Watch
from service.pools import Pools
from service.store.connection import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workers of a process share.

    Attributes
    ----------
    consumer : AIOKafkaConsumer
    store : Store
    letters : DeadLetters
    health : Health
        Is told of states, and given pulses to watch.
    installation : str
        Part of every key.
    batch : int
        Most records that are applied together.
    partition_of : callable
        Where a pool belongs, by its name and the number of partitions.
    pools : Pools
    bounds : Bounds
        How many dead letters are taken for a producer that went wrong.
    watch : Watch
        Says when no partition may go on.
    """

    consumer: AIOKafkaConsumer
    store: Store
    letters: DeadLetters
    health: Health
    installation: str
    batch: int
    partition_of: Callable[[str, int], int]
    pools: Pools
    bounds: Bounds
    watch: Watch
