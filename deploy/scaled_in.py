"""What a pod of ingest is asked before it is ended: is it to come back? One that is not leaves the consumer group.

A restart and a scale-in end a pod alike. The number that its StatefulSet is to have tells one from the other: the pod
``ingest-2`` of two is not coming back. Ingest then gets SIGUSR1, and its peers have its partitions within seconds;
else it gets SIGTERM from Kubernetes as ever, and its partitions wait for it.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Final

ASK_S: Final = 4.0
"""Time for each of three steps: to connect, to agree on a key, to answer."""


def is_scaled_in(member: str, given: Path) -> bool:
    """Ask the API server whether a pod of a StatefulSet is one more than there are to be.

    Parameters
    ----------
    member : str
        The pod's name: its StatefulSet's, a hyphen and its ordinal.
    given : Path
        A folder with the API server's certificate ``ca.crt``, the pod's ``token`` and its ``namespace``.

    Raises
    ------
    OSError, HTTPException, ValueError
        The API server did not answer, or not to that.
    """
    name, _, ordinal = member.rpartition("-")
    connection = http.client.HTTPSConnection(
        os.environ["KUBERNETES_SERVICE_HOST"],
        int(os.environ["KUBERNETES_SERVICE_PORT"]),
        timeout=ASK_S,
        context=ssl.create_default_context(cafile=str(given / "ca.crt")),
    )
    namespace, token = ((given / what).read_text().strip() for what in ("namespace", "token"))
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}/scale"
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        if answer.status == http.HTTPStatus.NOT_FOUND:
            # The StatefulSet itself was deleted.
            return True
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"{answer.status} {answer.reason}")
        # A number that is 0 may be left out.
        return int(ordinal) >= int(json.load(answer)["spec"].get("replicas", 0))
    finally:
        connection.close()


def main(member: str, pid: int, given: Path) -> None:
    """Tell a process of ingest to leave for good where its pod is not coming back."""
    try:
        if is_scaled_in(member, given):
            os.kill(pid, signal.SIGUSR1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Kubernetes shows it as an event of the pod, and goes on with SIGTERM.
        sys.exit(f"whether {member} comes back is not known, so its partitions wait for it for 45 s: {error}")


if __name__ == "__main__":
    main(os.environ["STANDINGS_MEMBER"], int(sys.argv[1]), Path(sys.argv[2]))
