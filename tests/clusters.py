"""A real Redis Cluster: three masters with a third of the slots each, and one replica, on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.crc import key_slot

from service.store.layout import Keys
from standings.embedded import ValkeyServer
from standings.embedded.ports import HOST
from tests.ingesting import Place, free_port, wait_for

MASTERS = 3
NODE_TIMEOUT_MS = 2_000
PIECE = 20
"""Keys that are moved at a time."""


class Cluster:
    """Entered, it serves; left, it is gone.

    Attributes
    ----------
    servers : list of ValkeyServer
        Who is master and who replica changes with failovers.
    """

    def __init__(self, folder: Path, program: Path) -> None:
        self._program = program
        self._running = ExitStack()
        self.servers = [self._server(folder / f"node-{number}") for number in range(MASTERS + 1)]

    def _server(self, folder: Path) -> ValkeyServer:
        options = {
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            # However far behind a replica is: nothing else is left, and the log heals it.
            "cluster-replica-validity-factor": "0",
            "repl-diskless-sync-delay": "0",
        }
        extra = [word for option, value in options.items() for word in (f"--{option}", value)]
        return ValkeyServer(folder, binary=self._program, extra=extra)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in self.servers:
                stack.enter_context(server)
            *masters, replica = (f"{HOST}:{server.port}" for server in self.servers)
            self._cli("create", *masters, "--cluster-yes")
            self._cli("add-node", replica, masters[0], "--cluster-slave")
            self.wait_whole()
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _cli(self, *words: str) -> None:
        command = [str(self._program.with_name("redis-cli")), "--cluster", *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{HOST}:{server.port}" for server in self.servers)

    def wait_whole(self) -> None:
        """Wait until every node says that all is well, and the replica has what its master has."""
        wait_for(self._is_whole, lambda: "the cluster is not whole")

    def _is_whole(self) -> bool:
        told, roles = [_told(server) for server in self.servers], [_role(server) for server in self.servers]
        well = all(one["cluster_state"] == "ok" and one["cluster_known_nodes"] == str(MASTERS + 1) for one in told)
        # A master that was away holds itself for one until it hears of its successor.
        links = [role["master_link_status"] for role in roles if role["role"] == "slave"]
        return well and links == ["up"]

    def masters(self) -> list[ValkeyServer]:
        return [server for server in self.servers if server.pid is not None and _role(server)["role"] == "master"]

    def replicated(self) -> tuple[ValkeyServer, ValkeyServer]:
        """The master that has the replica, and that."""
        (replica,) = (server for server in self.servers if _role(server)["role"] == "slave")
        (master,) = (server for server in self.servers if server.port == _role(replica)["master_port"])
        return master, replica

    def owner(self, keys: Keys) -> ValkeyServer:
        """The master that has the keys of a partition."""
        slot = key_slot(keys.state.encode())
        for server in self.masters():
            with client(server) as asked:
                ranges = asked.execute_command("CLUSTER SLOTS")
            for first, last, (_, port, *_), *_ in ranges:
                if first <= slot <= last:
                    return next(one for one in self.servers if one.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    def spread(self, topic: str, unique: Callable[[str], str]) -> str:
        """Name an installation whose partitions, as many as there are masters, lie on one each."""
        while True:
            name = unique("installation")
            owners = {self.owner(Keys(name, topic, partition)).port for partition in range(MASTERS)}
            if len(owners) == MASTERS:
                return name

    @contextmanager
    def behind(self, master: ValkeyServer, replica: ValkeyServer) -> Iterator[None]:
        """Let a replica get nothing more of what its master acknowledges, as on a slow network."""
        with client(master) as here, client(replica) as there:
            # The master has no password, so it refuses one.
            there.config_set("masterauth", "none")
            here.client_kill_filter(_type="replica")
            yield
            there.config_set("masterauth", "")

    def take_over(self, replica: ValkeyServer) -> None:
        """Wait until a replica is master, and every node that runs knows it."""
        running = [server for server in self.servers if server.pid is not None]

        def true() -> bool:
            well = all(_told(server)["cluster_state"] == "ok" for server in running)
            return well and _role(replica)["role"] == "master"

        wait_for(true, lambda: "the replica did not take over")

    @contextmanager
    def moving(self, keys: Keys) -> Iterator[Iterator[int]]:
        """Move the slot of a partition to another master, a piece each time the iterator is asked; at last all of it.

        In between some of its keys are here and some there, and scripts that name both are told to try again.
        """
        slot, source = key_slot(keys.state.encode()), self.owner(keys)
        target = next(server for server in self.masters() if server is not source)
        with client(source) as here, client(target) as there:
            here_id, there_id = (one.execute_command("CLUSTER MYID").decode() for one in (here, there))
            there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", here_id)
            here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", there_id)

            def pieces() -> Iterator[int]:
                while found := here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, PIECE):
                    here.execute_command("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *found)
                    yield len(found)

            steps = pieces()
            yield steps
            for _ in steps:
                pass
            # The new owner first: the old one forgets the slot only when somebody has it.
            for server in (target, source, *self.masters()):
                with client(server) as told:
                    told.execute_command("CLUSTER", "SETSLOT", slot, "NODE", there_id)

    def place(self, kafka: str, topic: str, unique: Callable[[str], str]) -> Place:
        """An installation with a partition on each master."""
        return Place(kafka, self.url, topic, MASTERS, self.spread(topic, unique))


def client(server: ValkeyServer) -> Redis:
    """A client of one node, which follows no redirection."""
    return Redis.from_url(server.url)


def scripts_known(servers: Sequence[ValkeyServer], shas: Sequence[str]) -> set[str]:
    """Of scripts, by their digests, those that ran on any of the nodes: a node knows a script when it has run it."""
    found: set[str] = set()
    for server in servers:
        with client(server) as asked:
            there = asked.script_exists(*shas)
        found |= {sha for sha, known in zip(shas, there, strict=True) if known}
    return found


def _role(server: ValkeyServer) -> dict[str, Any]:
    with client(server) as asked:
        return dict(asked.info("replication"))


def _told(server: ValkeyServer) -> dict[str, str]:
    with client(server) as asked:
        return dict(asked.execute_command("CLUSTER INFO"))
