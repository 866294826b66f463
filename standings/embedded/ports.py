"""Free ports of this machine, and how one is kept from other processes until a server has it."""

import random
import socket
import weakref
from collections.abc import Sequence
from contextlib import suppress

from standings.embedded.errors import EmbeddedError

HOST = "127.0.0.1"
# Below the ephemeral range of Linux and macOS. A client that tries again and again to reach a server that is
# down can, inside that range, be given the very same port as its own end and connect to itself, holding the
# port.
_PORTS = range(20_000, 32_000)


def free_port(owner: object, taken: Sequence[int]) -> int:
    """Give a port that is free and stays so until the server has it, seconds later, whoever else starts servers.

    The claim is the port of the same number for UDP, which nobody uses: only one process can have it, and the kernel
    takes it back from one that dies.

    Parameters
    ----------
    owner : object
        While it lives, nobody else is given the port.
    taken : sequence of int
        Ports that will not do.

    Raises
    ------
    EmbeddedError
    """
    for port in random.sample(_PORTS, 200):
        if port not in taken and is_free(port):
            claim = socket.socket(type=socket.SOCK_DGRAM)
            weakref.finalize(owner, claim.close)
            with suppress(OSError):
                claim.bind((HOST, port))
                return port
    raise EmbeddedError(f"no free port on {HOST} between {_PORTS.start} and {_PORTS.stop}")


def is_free(port: int) -> bool:
    """Whether a server could listen at a port now."""
    with socket.socket() as probe:
        # Connections of the last run that linger in TIME_WAIT do not hold the port against a server either.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
