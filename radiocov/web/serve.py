"""Starting and stopping the server of a project."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn

from radiocov.web import auth
from radiocov.web.app import build_app
from radiocov.web.observe import set_up_logs
from radiocov.web.service import Service
from radiocov.web.settings import Settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")
GRACE_S = 20  # for requests under way
CONNECTIONS = 500
KEEP_ALIVE_S = 20
SWITCH_S = 0.001  # the thread that answers gets its turn soon after one that draws a tile


def serve(settings: Settings, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until the process is told to end; say: prints a line for the person at the terminal.

    Raises ProjectError where a service runs on the project already, OSError where the address is taken.
    """
    listening = _listen(host, port)
    with listening:
        port = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "0.0.0.0" else host
        address = settings.public_url or f"http://{shown}:{port}"
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn sends itself the signal again when it is done
        with Service(settings) as service:
            set_up_logs()
            say(f"radiocov serves {service.project.project.name} on {address}")
            if host not in LOOPBACK and not settings.is_https:
                say("warning: other computers can reach it without HTTPS, and tokens and positions go in the open; "
                    "put a proxy before it and say --public-url https://...")  # fmt: skip
            if not auth.has_admin(service.db):
                link = auth.one_time_link(service.db, settings.limits, address, "first run")
                say(f"no administrator yet: open this within an hour, it works once\n{link}")
            config = uvicorn.Config(
                build_app(service), log_config=None, access_log=False, server_header=False, ws="none", lifespan="on",
                proxy_headers=True, forwarded_allow_ips=settings.proxies, limit_concurrency=CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=GRACE_S,
            )  # fmt: skip
            sys.setswitchinterval(SWITCH_S)
            uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=512)
        # asyncio does this itself only for sockets that name their protocol; without it an answer waits 40 ms
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        raise OSError(f"{host} port {port} {why}; choose another with --port") from error
