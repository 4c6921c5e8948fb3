"""The OpenAPI document as a source of requests: whatever fits it, and what does not, makes no server error."""

from __future__ import annotations

import json
import warnings

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

EXAMPLES = 10
CHUNKS, BYTES = "application/offset+octet-stream", "application/octet-stream"  # schemathesis makes the second alone


def test_no_request_makes_a_server_error(own_server):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own dependencies
        schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
        text = own_server.client("admin").get("/api/v1/openapi.json").text
        schema = schemathesis.openapi.from_dict(json.loads(text.replace(CHUNKS, BYTES)))
        operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 25
    statuses = set()
    for number, operation in enumerate(operations):
        client = own_server.client("admin", f"Fuzz {number}")
        for mode in schemathesis.GenerationMode:
            statuses |= called(client, operation, mode)
    assert {200, 422} <= statuses
    assert all(status < 500 for status in statuses), statuses
    assert "a fault of the service" not in own_server.said()


def called(client, operation, mode):
    """Statuses of requests of one kind."""
    statuses = set()

    @settings(max_examples=EXAMPLES, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case):
        asked = case.as_transport_kwargs(base_url=str(client.base_url))
        headers = {name: value for name, value in asked["headers"].items() if name.lower() != "authorization"}
        headers = {name: CHUNKS if value == BYTES else value for name, value in headers.items()}
        try:
            answer = client.request(asked["method"], asked["url"], params=asked.get("params"), headers=headers,
                                    cookies=None, **content(asked))  # fmt: skip
        except (UnicodeError, ValueError, httpx.InvalidURL, httpx.LocalProtocolError):
            return  # what HTTP itself can't carry
        statuses.add(answer.status_code)
        assert answer.status_code < 500, (asked, answer.text)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            if type(error).__name__ not in ("Unsatisfiable", "SkipTest"):
                raise
    return statuses


def content(asked):
    if "json" in asked:
        return {"json": asked["json"]}
    data = asked.get("data")
    return {} if data is None else {"content": data if isinstance(data, bytes) else str(data).encode()}
