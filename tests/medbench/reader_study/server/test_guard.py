"""Every answer has strict headers, and no request is long."""

from __future__ import annotations

import pytest

from medbench.reader_study.server.guard import LONGEST_BODY


@pytest.mark.parametrize("address", ["/", "/study/main.js", "/api/study", "/nothing", "/api/cases/C001/slices/0/1"])
def test_every_answer_is_strict(served, address: str) -> None:
    headers = served.ask("GET", address).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


def test_long_bodies_are_refused_unread(served) -> None:
    answer = served.ask("PATCH", "/api/trials/C001", raw=b"x" * (LONGEST_BODY + 1))
    assert answer.status == 413
    assert "content-security-policy" in answer.headers
    assert served.ask("PATCH", "/api/trials/C001", raw=b" " * (LONGEST_BODY - 2) + b"{}").status == 200


def test_the_longest_comment_fits_however_it_is_written(served) -> None:
    raw = b'{"comment": "' + b"\\u80ba" * 2000 + b'"}'
    assert served.ask("PATCH", "/api/trials/C001", raw=raw).status == 200
