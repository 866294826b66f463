"""Traces are off unless they are asked for, and where they are to go is looked at before anything begins."""

import subprocess
import sys

import pytest

from service import traces
from tests.conftest import Command

PARTS = "standings.run, standings.feed, service.api.app, consumers.ingest"


def test_off_nothing_of_it_is_imported() -> None:
    """But what redis-py and FastAPI take of OpenTelemetry's interface, where it is installed."""
    code = f"""if True:
    import sys, {PARTS}
    from standings.run import traced
    with traced("ingest"):
        unwanted = ("service.telemetry", "opentelemetry.sdk.trace", "opentelemetry.exporter")
        print([name for name in sys.modules if name.startswith(unwanted)])
    """
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_off_it_is_asked_for_nothing() -> None:
    with traces.tracing("serve"), traces.answering("00-1-1-01") as span, traces.sending("matches") as headers:
        assert (span, list(headers), traces.ids()) == (None, [], {})
        with traces.applying("matches", 0, [], 0.0) as batch:
            assert batch is None


@pytest.mark.parametrize(
    "wrong", ["collector:4318", "4318", "http://", "grpc://collector:4317", "http://c:port", "http://[c"]
)
@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("ingest", "--ops-port", "0"), ("feed", "-")], ids=str)
def test_an_endpoint_that_is_none_is_a_mistake(
    command: Command, monkeypatch: pytest.MonkeyPatch, wrong: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv(traces.ENDPOINT, wrong)
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert (
        err == f"standings: {traces.ENDPOINT}: {wrong!r} is no address of a collector, such as http://127.0.0.1:4318\n"
    )
