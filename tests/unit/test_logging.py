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

TRACED = """
import structlog
from service import traces
from standings.run import configure_logging, traced
configure_logging()
log = structlog.get_logger()
with traced("test"):
    for _ in range(2):
        with traces.sending("matches") as ((name, value),):
            log.info("inside")
            log.info("named", trace_id="its own")
    log.info("outside")
    log.info(name, value=value.decode())
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


def test_a_line_has_the_ids_of_its_trace() -> None:
    """Of a collector that is not there one line is said, and nothing waits for it."""
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-c", TRACED], stderr=subprocess.PIPE, check=True, env=environment)
    _, _, inside, named, outside, header, *more = map(json.loads, done.stderr.splitlines())
    version, trace_id, span_id, flags = header["value"].split("-")
    assert (header["event"], version, int(flags, 16) & 1) == ("traceparent", "00", 1)
    assert (inside["trace_id"], inside["span_id"]) == (trace_id, span_id)
    assert (named["trace_id"], named["span_id"]) == ("its own", span_id)
    assert "trace_id" not in outside
    assert [line["level"] for line in more] in ([], ["error"])
