"""Whatever is sent, the application answers, and never with a failure of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from medbench.reader_study.packet import Packet

hypothesis = pytest.importorskip("hypothesis", reason='pip install -e ".[test]" has it')
given, st = hypothesis.given, pytest.importorskip("hypothesis.strategies")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
PIECES = (
    "api",
    "study",
    "trials",
    "cases",
    "slices",
    "open",
    "C001",
    "T001",
    "P001",
    "..",
    ".",
    "%2e%2e",
    "%00",
    "",
    "0",
    "1",
    "6",
)
FIELDS = ("answers", "comment", "seen", "realism", "anatomy", "reader")
VALUES = ("real", "synthetic", "1", "5", "", "=cmd|x", "\0", "\ud800", "x" * 3000)

paths = st.one_of(
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=7).map(
        lambda parts: "/" + "/".join(parts)
    ),
    st.sampled_from(["/api/study", "/api/trials/C001", "/api/trials/C001/open", "/api/cases/C001/slices/0/1"]),
    st.tuples(st.integers(), st.integers()).map(lambda pair: f"/api/cases/C001/slices/{pair[0]}/{pair[1]}"),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(VALUES), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.text(max_size=8)), inner, max_size=4),
    ),
    max_leaves=8,
)
bodies = st.one_of(st.binary(max_size=200), json_values)
headers = st.dictionaries(
    st.sampled_from(["authorization", "content-type", "content-length", "range", "host", "accept", "cookie", "origin"]),
    st.text(max_size=30),
    max_size=3,
)


@pytest.fixture
def fuzzed(packet_of: Callable[..., Packet], serve_packet: Callable[..., Any]) -> Iterator[Any]:
    served = serve_packet(packet_of())
    yield served
    assert served.ask("GET", "/api/study").status == 200, "the ratings can still be read"


@hypothesis.settings(
    max_examples=1000,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
@given(st.sampled_from(METHODS), paths, bodies, headers, st.booleans())
def test_a_thousand_odd_requests_and_no_failure(fuzzed, method, path, body, sent, known) -> None:
    content = {"raw": body} if isinstance(body, bytes) else {"body": body}
    reader = "ann" if known else None
    answer = fuzzed.ask(method, path, headers=sent, reader=reader, **content)
    assert 200 <= answer.status < 500
    if reader is None and path.startswith("/api/"):
        assert answer.status >= 400


@pytest.mark.parametrize(
    ("method", "address"), [("POST", "/api/study"), ("GET", "/api/trials/C001"), ("DELETE", "/api/trials/C001")]
)
def test_other_methods_are_refused_in_json(served, method: str, address: str) -> None:
    answer = served.ask(method, address)
    assert answer.status in (404, 405)
    assert "error" in answer.json


def test_a_failure_of_the_program_is_told_without_its_insides(served, monkeypatch, caplog) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr("medbench.reader_study.server.reading.Reading.kept", broken)
    with pytest.raises(RuntimeError):  # what Starlette does once it has answered, for the server's log
        served.ask("GET", "/api/study")
    assert "GET /api/study failed" in caplog.text
