"""The image's health check: exit code 0 if ``/livez`` answers on one of the ports that are named."""

from __future__ import annotations

import http.client
import sys


def alive(port: str) -> bool:
    """Ask a part of the service, on this machine, whether it works.

    Parameters
    ----------
    port : str
        Where its health is served.
    """
    # Not urllib: it would ask a proxy that the environment names.
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=2)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not any(alive(port) for port in sys.argv[1:]))
