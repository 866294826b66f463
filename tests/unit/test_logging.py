"""Logs of the long-running commands: lines for programs, or for eyes, and never a secret in them."""

import json
import os
import pty
import subprocess
import sys
from typing import IO

CODE = """
import logging, structlog
from standings.run import configure_logging
configure_logging()
log = structlog.get_logger()
log.info("running", partition=3)
logging.getLogger("aiokafka").error("aiokafka's own")
logging.getLogger("uvicorn.error").info("uvicorn's own")
def fail(password):
    raise ValueError("why")
try:
    fail("hunter" + str(2))
except ValueError:
    log.exception("failed")
"""


def run(stderr: int | IO[bytes]) -> bytes:
    done = subprocess.run([sys.executable, "-c", CODE], stderr=stderr, check=True)
    return done.stderr or b""


def test_lines_of_json_without_values_of_variables() -> None:
    said = run(subprocess.PIPE)
    running, failed = map(json.loads, said.splitlines())
    assert (running["event"], running["partition"], running["level"]) == ("running", 3, "info")
    assert running["timestamp"].endswith("Z")
    (exception,) = failed["exception"]
    assert (failed["event"], exception["exc_type"], exception["exc_value"]) == ("failed", "ValueError", "why")
    assert b"hunter2" not in said


def test_a_terminal_gets_no_json_and_no_secrets_either() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal, os.fdopen(theirs, "wb", buffering=0) as end:
        run(end)
        said = os.read(terminal.fileno(), 65_536)
    assert b"running" in said
    assert b"why" in said
    assert b"{" not in said
    assert b"hunter2" not in said
