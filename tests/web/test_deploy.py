"""The files of examples/deploy by the programs that read them, and the service behind a real nginx with HTTPS."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "examples" / "deploy"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def proxied(small_inputs, tmp_path_factory, ways):
    """The service behind nginx by the example's own file, of which only ports, names and paths are changed."""
    if NGINX is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    port, plain = free_port(), free_port()
    url = f"https://localhost:{port}"
    server = ways.Server(Path(shutil.copytree(small_inputs, folder / "project")), public_url=url)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "privkey.pem",
         "-out", folder / "fullchain.pem"], check=True, capture_output=True)  # fmt: skip
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    for old, new in (("listen 80;", f"listen 127.0.0.1:{plain};"), ("listen 443 ", f"listen 127.0.0.1:{port} "),
                     ("coverage.example.org", "localhost"), ("/etc/ssl/radiocov", str(folder)),
                     ("127.0.0.1:8350;", f"127.0.0.1:{server.port};"), ("/var/log/nginx", str(folder))):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    user = "user root;" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    held = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    conf = folder / "nginx.conf"
    conf.write_text(f"daemon off; pid {folder}/pid; error_log {folder}/error.log; {user} events {{}}\n"
                    f"http {{ {held}\n{text}\n}}\n", "utf-8")  # fmt: skip
    command = [NGINX, "-c", str(conf), "-p", str(folder)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        ways.until(lambda: _listens(port), 20)
        yield server, url, folder, plain
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(20)
        server.stop()


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def client(proxied, address: str = "127.0.0.1") -> httpx.Client:
    """A browser at an address of this machine, with its trust in the certificate."""
    _, url, folder, _ = proxied
    trust = ssl.create_default_context(cafile=folder / "fullchain.pem")
    return httpx.Client(base_url=url, transport=httpx.HTTPTransport(verify=trust, local_address=address), timeout=60)


def test_a_log_of_50_mb_comes_through(proxied, radiocov, tmp_path, monkeypatch):
    server, url, folder, _ = proxied
    monkeypatch.setenv("RADIOCOV_STATE", str(tmp_path / "state"))
    rows = 1_450_000
    lines = (f"{1_700_000_000 + i},HUGE,41.8{i % 100_000:05},123.4,-{70 + i % 50}" for i in range(rows))
    log = tmp_path / "huge.csv"
    log.write_text("time,device_id,lat,lon,rssi_dbm\n" + "\n".join(lines))
    assert log.stat().st_size > 50e6
    token = tmp_path / "token.txt"
    token.write_text(server.token("field", "Team nginx", zone="UTC", datum="wgs84"))
    sent = radiocov("logs", "upload", log, "--to", url, "--token-file", token, "--ca", folder / "fullchain.pem",
                    "--json")  # fmt: skip
    assert sent.code == 0, sent.err
    assert json.loads(sent.out)[0]["receipt"]["accepted"] == rows


def test_sessions_rates_and_addresses_are_those_of_people(proxied):
    server, url, _, plain = proxied
    with client(proxied) as browser:
        answer = browser.post("/api/v1/session", json={"token": server.token("manager", "Wang")})
        assert answer.status_code == 201
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-radiocov=") and "Secure" in cookie
        assert answer.headers["strict-transport-security"] and browser.get("/api/v1/session").json()["name"] == "Wang"
        assert browser.get("/metrics").status_code == 403  # of nginx: not from the monitoring network
        assert browser.get("/assets/trackmap.js").headers["content-encoding"] == "gzip"
        assert "content-encoding" not in browser.get("/measured").headers
        headers = {"Authorization": f"Bearer {server.token('engineer')}"}
        made = browser.post("/api/v1/tokens", json={"name": "Team", "role": "field"}, headers=headers)
    assert made.json()["address"].startswith(f"{url}/login#token=")
    with client(proxied, "127.0.0.2") as guesser, client(proxied, "127.0.0.3") as other:
        tried = [
            guesser.post("/api/v1/session", json={"token": "rc_x"}, headers={"X-Forwarded-For": f"10.1.1.{n}"})
            for n in range(25)
        ]
        assert {answer.status_code for answer in tried[:20]} == {401} and tried[-1].status_code == 429
        assert other.post("/api/v1/session", json={"token": "rc_x"}).status_code == 401
    turned = httpx.get(f"http://127.0.0.1:{plain}/map?lang=zh", headers={"Host": "localhost"})
    assert turned.status_code == 301 and turned.headers["location"] == "https://localhost/map?lang=zh"


def test_nginx_writes_down_no_address(proxied):
    _, _, folder, _ = proxied
    with client(proxied) as browser:
        browser.get("/login")
    assert re.fullmatch(r"(\S+ [A-Z]+ \d{3} [\d.]+\n)+", (folder / "radiocov.log").read_text())


def test_systemd_takes_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    text = (DEPLOY / "radiocov.service").read_text("utf-8")
    assert "/opt/radiocov/bin/radiocov serve" in text
    unit = tmp_path / "radiocov.service"
    unit.write_text(text.replace("/opt/radiocov/bin/radiocov", shutil.which("true")), "utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "radiocov.service" in line]
    assert not said and done.returncode == 0, done.stderr


def test_the_container_starts_what_there_is(radiocov):
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    entry = json.loads(next(line for line in lines if line.startswith("ENTRYPOINT")).split(" ", 1)[1])
    given = radiocov(*entry[1:2], "--help").out
    for option in [*(word for word in entry if word.startswith("--")), "--proxy", "--public-url"]:
        assert option in given
