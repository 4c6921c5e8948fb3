"""Links: real pseudo-terminals and sockets, unplugged and back, under the same name or another."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import serial
from serial.rfc2217 import PortManager
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from devices import causes
from devices.errors import DevicesError
from devices.link import LinkError, SerialLink, network_notes, open_link
from devices.polling import Poller
from devices.ports import what_it_seems
from devices.settings import Settings, load_profile


def read_until(link, wanted, seconds=5):
    end, heard = time.monotonic() + seconds, b""
    while wanted not in heard and time.monotonic() < end:
        heard += b"".join(chunk.data for chunk in link.read())
    return heard


@pytest.fixture
def server():
    """Starts a TCP server that runs `talk(connection)` for its first client; gives its port number."""
    listeners, threads = [], []

    def start(talk):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            connection, _ = listener.accept()
            with connection:
                talk(connection)

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        return listener.getsockname()[1]

    yield start
    for thread in threads:
        thread.join(5)
    for listener in listeners:
        listener.close()


@pytest.fixture
def pty():
    """New pseudo-terminals: pty() -> (an open file of the far end, name of the near end)."""
    with contextlib.ExitStack() as ends:

        def new():
            master, slave = os.openpty()
            ends.enter_context(open(slave, "rb", buffering=0))
            return ends.enter_context(open(master, "r+b", buffering=0)), os.ttyname(slave)

        yield new


def test_bytes_of_a_serial_port_come_whole_and_stamped(pty):
    master, name = pty()
    link = SerialLink(name, Settings())
    link.open()
    before = time.time_ns() // 1000
    data = bytes(range(33, 127)) * 40
    master.write(data)
    chunks, end = [], time.monotonic() + 5
    while sum(len(c.data) for c in chunks) < len(data) and time.monotonic() < end:
        chunks += link.read()
    link.close()
    assert b"".join(c.data for c in chunks) == data
    assert all(c.source == name and before <= c.utc_us <= time.time_ns() // 1000 for c in chunks)
    assert sorted(c.mono_ns for c in chunks) == [c.mono_ns for c in chunks]


def test_what_is_written_arrives(pty):
    master, name = pty()
    link = SerialLink(name, Settings())
    link.open()
    link.write(b"AT+CSQ?\r")
    link.close()
    assert master.read(100) == b"AT+CSQ?\r"


def usb(device, **values):
    given = {"vid": 0x0403, "pid": 0x6001, "serial_number": "A1", "location": "1-1:1.0", **values}
    return SimpleNamespace(device=device, **given)


def test_a_usb_port_is_found_again_under_another_name(pty, monkeypatch):
    first_master, first = pty()
    second_master, second = pty()
    plugged = [usb(first)]
    monkeypatch.setattr(list_ports, "comports", lambda: plugged)
    link = SerialLink(first, Settings())
    link.open()
    plugged[:] = [usb(first, serial_number="B2"), usb("/dev/none", pid=1)]
    assert not link.find_again(), "another device under the old name is not the one that was recorded"
    plugged.append(usb(second, location="3-2:1.0"))
    assert link.find_again() and link.where == second
    link.close()
    link.open()
    second_master.write(b"hello")
    assert read_until(link, b"hello") == b"hello"
    link.close()


def test_a_cable_without_a_serial_number_is_known_by_its_socket(pty, monkeypatch):
    _, name = pty()
    plugged = [usb(name, serial_number=None)]
    monkeypatch.setattr(list_ports, "comports", lambda: plugged)
    link = SerialLink(name, Settings())
    link.open()
    link.close()
    plugged[:] = [usb("/dev/ttyUSB7", serial_number=None, location="2-4:1.0")]
    assert not link.find_again()
    plugged[:] = [usb("/dev/ttyUSB7", serial_number=None)]
    assert link.find_again() and link.where == "/dev/ttyUSB7"


def test_a_socket_is_read_in_blocks_and_its_end_is_told(server):
    data = b"+CSQ: 20,99\r\n" * 300
    port = server(lambda connection: connection.sendall(data))
    link = open_link(f"socket://127.0.0.1:{port}", Settings())
    assert link.open() == []
    chunks = []
    with pytest.raises(LinkError, match="has closed the connection"):
        while True:
            chunks += link.read()
    heard = b"".join(c.data for c in chunks)
    assert heard == data and len(chunks) < 60


def test_a_connection_across_the_network_is_warned_of():
    for url in ("socket://192.0.2.7:4001", "rfc2217://bridge:2217", "gpsd://192.0.2.7"):
        assert network_notes(url) == [f"{url} crosses the network without encryption or password"]
    for url in ("socket://localhost:4001", "socket://127.0.0.1:1", "rfc2217://[::1]:2217", "/dev/ttyS0", "loop://"):
        assert network_notes(url) == []


def test_what_came_before_the_end_of_a_connection_is_never_lost(server):
    for size in (1, 2, 100, 4096, 5000):
        port = server(lambda connection, size=size: connection.sendall(bytes(size)))
        link = open_link(f"socket://127.0.0.1:{port}", Settings())
        link.open()
        got = 0
        with pytest.raises(LinkError):
            while True:
                got += sum(len(c.data) for c in link.read())
        assert got == size


def test_what_came_before_an_unplug_is_never_lost(pty):
    master, name = pty()
    link = SerialLink(name, Settings())
    link.open()
    master.write(b"last words\r\n")
    master.close()
    heard = b""
    with pytest.raises(LinkError, match="was unplugged"):
        while True:
            heard += b"".join(c.data for c in link.read())
    # a terminal that hangs up may drop what nobody has read yet, but never a part of a read
    assert heard in (b"last words\r\n", b"")


@pytest.mark.filterwarnings("ignore:set(Daemon|Name)")
def test_rfc2217_reads_and_sets_the_rate(server):
    far = serial.serial_for_url("loop://", timeout=0.1)

    def talk(connection):
        stream = SimpleNamespace(write=connection.sendall)
        manager = PortManager(far, stream)
        connection.settimeout(0.05)
        while True:
            try:
                data = connection.recv(1024)
                if not data:
                    return
                for byte in manager.filter(data):
                    far.write(byte)
            except TimeoutError:
                # what comes while the port is being set up is thrown away, so it is said again
                connection.sendall(b"".join(manager.escape(b"$GPRMC\xff,1\r\n")))
            except OSError:
                return

    port = server(talk)
    link = open_link(f"rfc2217://127.0.0.1:{port}", Settings(baud=4800))
    link.open()
    assert b"$GPRMC\xff,1\r\n" in read_until(link, b"\n") and far.baudrate == 4800
    link.close()


def test_gpsd_is_asked_to_watch_and_its_lines_come(server):
    asked = []

    def talk(connection):
        asked.append(connection.recv(100))
        connection.sendall(b'{"class":"TPV","mode":1}\r\n')

    link = open_link(f"gpsd://127.0.0.1:{server(talk)}", Settings())
    link.open()
    assert read_until(link, b"\n") == b'{"class":"TPV","mode":1}\r\n'
    with pytest.raises(LinkError, match="has closed the connection"):
        link.read()
    assert asked == [b'?WATCH={"enable":true,"json":true};\n']


def test_a_folder_gives_its_files_and_what_is_added_to_them(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\ntw")
    (tmp_path / ".hidden").write_bytes(b"no\n")
    (tmp_path / "b.txt.part").write_bytes(b"no\n")
    link = open_link(str(tmp_path), Settings())
    link.open()
    assert [(os.path.basename(c.source), c.data) for c in link.read()] == [("a.txt", b"one\n")]
    (tmp_path / "b.txt").write_bytes(b"new\n")
    with open(tmp_path / "a.txt", "ab") as file:
        file.write(b"o\n")
    found = [(os.path.basename(c.source), c.data) for c in link.read()]
    assert found == [("a.txt", b"two\n"), ("b.txt", b"new\n")]
    (tmp_path / "b.txt").write_bytes(b"x\n")
    assert [c.data for c in link.read()] == [b"x\n"], "a file written anew is read from its start"
    assert link.read() == []


def test_a_large_file_comes_in_bounded_pieces(tmp_path):
    path = tmp_path / "big.txt"
    path.write_bytes(b"+CSQ: 20,99\r\n" * 20_000)
    link = open_link(str(path), Settings(), follow=False)
    link.open()
    pieces = []
    while not link.ends:
        pieces += [c.data for c in link.read()]
    assert b"".join(pieces) == path.read_bytes() and max(map(len, pieces)) <= 1 << 16


def test_unknown_forms_of_address_are_refused():
    with pytest.raises(DevicesError, match=r"ftp://x: there is no such form of address; possible: gpsd://"):
        open_link("ftp://x")
    with pytest.raises(DevicesError, match="port number"):
        open_link("gpsd://host:99999999")


def test_the_program_that_holds_a_port_is_named(pty):
    import subprocess
    import sys

    _, name = pty()
    code = f"import os,sys; os.open({name!r}, os.O_RDWR | os.O_NOCTTY); print('open', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes, text=True) as other:
        other.stdout.readline()
        assert f"process {other.pid}" in causes.holder(name)
        other.stdin.close()


def test_a_profile_names_the_key_at_fault(tmp_path):
    path = tmp_path / "p.toml"
    cases = {
        'bauds = 9600': "there is no key 'bauds'", 'baud = "9600"': "baud = '9600'; it has to be a whole number",
        'datum = "wgs72"': "datum is 'wgs72'; possible: wgs84", "rtscts = 1": "it has to be true or false",
        "baud = ": "not TOML", 'device_id = "4.60E+14"': "is no identity", "queries = [1]": "a list of texts",
    }  # fmt: skip
    for text, reason in cases.items():
        path.write_text(text)
        with pytest.raises(DevicesError) as caught:
            load_profile(path)
        assert str(caught.value).startswith(str(path)) and reason in str(caught.value)
    path.write_text('baud = 38400\nrssi_scale = 1\ndate = 2026-11-24\nqueries = ["AT+CSQ?"]\ndtr = false\n')
    profile = load_profile(path)
    assert (profile.baud, profile.rssi_scale, profile.queries, profile.dtr) == (38400, 1, ("AT+CSQ?",), False)


def test_the_other_forms_of_pyserial_work_too(pty, capsys, monkeypatch):
    loop = open_link("loop://", Settings())
    loop.open()
    loop.write(b"round\r\n")
    assert read_until(loop, b"\n") == b"round\r\n"
    loop.close()
    master, name = pty()
    spy = open_link(f"spy://{name}", Settings())
    spy.open()
    master.write(b"hello\r\n")
    assert read_until(spy, b"\n") == b"hello\r\n"
    spy.close()
    assert "65 6c 6c 6f" in capsys.readouterr().err.lower()
    port = ListPortInfo(name, skip_link_detection=True)
    port.description = "TETRA_PEI_interface"
    monkeypatch.setattr(list_ports, "comports", lambda include_links=False: [port])
    found = open_link("hwgrep://TETRA_PEI", Settings())
    found.open()
    master.write(b"there\r\n")
    assert read_until(found, b"\n") == b"there\r\n"
    found.close()


def test_what_a_port_seems_to_be_is_told_by_its_usb_descriptor():
    def port(description="", vid=None, interface=None, device="/dev/ttyUSB0"):
        return SimpleNamespace(description=description, manufacturer=None, product=None, interface=interface,
                               vid=vid, device=device)  # fmt: skip

    handset = port(interface="Tetra_PEI_Interface", vid=0x0CAD)
    assert what_it_seems(handset) == ("TETRA handset, data port", "tetra-pei")
    assert what_it_seems(port("u-blox 7 - GPS/GNSS Receiver", 0x1546)) == ("u-blox receiver", "nmea")
    assert what_it_seems(port("Some GNSS thing", 0x9999)) == ("GPS receiver", "nmea")
    assert what_it_seems(port("FT232R USB UART", 0x0403)) == ("cable or adapter (FTDI)", "")
    assert what_it_seems(port("ttyS0", device="/dev/ttyS0")) == ("built-in serial port", "")


def test_the_profile_of_the_page_for_field_teams_is_a_good_one(tmp_path):
    page = (Path(__file__).resolve().parents[3] / "docs" / "handsets.md").read_text(encoding="utf-8")
    path = tmp_path / "p.toml"
    path.write_text(page.split("```toml\n", 1)[1].split("```", 1)[0], encoding="utf-8")
    profile = load_profile(path)
    assert profile.sensitivity_dbm == -118 and profile.setup == ("AT+CTSP=1,3,10",) and profile.rtscts
    Poller("tetra-pei", profile)


@pytest.mark.parametrize(("error", "said"), [
    (serial.SerialException("device reports readiness to read but returned no data (device disconnected?)"),
     "NAME was unplugged, or another program reads it too"),
    (OSError(5, "Input/output error"), "NAME was unplugged"),
    (OSError(6, "Device not configured"), "NAME was unplugged"),
    (serial.SerialException("ClearCommError failed (PermissionError(13, 'Access is denied.', None, 5))"),
     "another program has NAME open; close it there"),
    (serial.SerialException(16, "[Errno 16] Device or resource busy"), "another program has NAME open"),
    (serial.SerialException(2, "could not open port X: No such file or directory"), "NAME is not there"),
    (ConnectionRefusedError(111, "Connection refused"), "nothing answers at NAME"),
    (ConnectionResetError(104, "reset by peer"), "the other end of NAME has closed the connection"),
    (TimeoutError("timed out"), "NAME does not answer in time"), (OSError(99, "Odd"), "NAME: [Errno 99] Odd"),
])  # fmt: skip
def test_what_systems_say_is_put_in_words(error, said, pty):
    _, name = pty()
    text = causes.cause_of(error, name)
    assert text.startswith(said.replace("NAME", name))
