"""What the service says of itself: lines of JSON without personal data, and figures for Prometheus.

A line names the route's pattern, never the address asked for, and no person, token, file or place.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from devices.store import iso, now_us
from radiocov.web.schema import STATES, Database, uploads

_OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"at": iso(now_us()), "level": record.levelname.lower(), "from": record.name,
                                "event": record.getMessage()}  # fmt: skip
        line |= {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            # without the error's text, in which names and places may stand
            line["trace"] = "".join(traceback.format_tb(record.exc_info[2])[-4:]).splitlines()
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logs() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.exc_info is None)  # faults are logged once


class Metrics:
    """Figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("radiocov_requests", "Requests by route, method and status",
                                ("route", "method", "status"), registry=self.registry)  # fmt: skip
        self.seconds = Histogram("radiocov_request_seconds", "Time to an answer", ("route",), registry=self.registry,
                                 buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 30))  # fmt: skip
        self.received = Counter("radiocov_received_bytes", "Bytes of logs received", registry=self.registry)
        self.restarts = Counter("radiocov_importer_restarts", "Times the importer ended and was started again",
                                registry=self.registry)  # fmt: skip
        self.uploads = Gauge("radiocov_uploads", "Uploads by state", ("state",), registry=self.registry)

    def text(self, db: Database) -> bytes:
        """In the format of Prometheus."""
        with db.read() as connection:
            query = sa.select(uploads.c.state, sa.func.count()).group_by(uploads.c.state)
            counts = dict(connection.execute(query).all())
        for state in STATES:
            self.uploads.labels(state).set(counts.get(state, 0))
        return generate_latest(self.registry)
