"""Child processes that end with the service, however it ends: they follow a pipe that only it holds open."""

from __future__ import annotations

import _thread
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

NICE = 10  # children leave the processors to those who look at the map; Linux compares within a session alone


def start(code: str, order: dict[str, Any], **streams: Any) -> subprocess.Popen[bytes]:
    """Start Python code in a child; `order` is the first line of its input, not on its command line where others can
    read passwords. The code begins with `lifeline.take_order()`."""
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, process_group=0, **streams)
    assert child.stdin is not None
    child.stdin.write(json.dumps(order).encode() + b"\n")
    child.stdin.flush()
    return child


def take_order() -> dict[str, Any]:
    """In the child: what it is to do. It can be interrupted even where the server was started in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(os, "nice"):
        os.nice(NICE)
    return json.loads(sys.stdin.buffer.readline())


class Lifeline:
    """In the child. woken: set by every further line; ended: set when the parent lets go or is no more."""

    def __init__(self, interrupt: bool = False) -> None:
        """interrupt: raise KeyboardInterrupt in the main thread at the end."""
        self.woken, self.ended = threading.Event(), threading.Event()
        self._interrupt = interrupt
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while os.read(sys.stdin.fileno(), 4096):
            self.woken.set()
        self.ended.set()
        self.woken.set()
        if self._interrupt:
            _thread.interrupt_main()

    def wait(self, seconds: float) -> bool:
        """Until something is to do, the time is over, or the end has come; False at the end."""
        self.woken.wait(seconds)
        self.woken.clear()
        return not self.ended.is_set()
