"""Many ports in one journal: each with its own protocol, settings and identity."""

from devices.journal import Setup, Writer
from devices.protocols import read_file
from devices.records import Record
from devices.session import merged, to_json
from devices.settings import Settings

STATUS = "+PDTSTAT: ,2,-{},,3,361025000,4660,17,1,2\r\n"


def write(path, entries):
    with Writer(path) as writer:
        for entry in entries:
            writer.append(entry)


def said(live, source, text, t_s):
    chunk = live.chunk(text, t_s)
    return type(chunk)(chunk.data, chunk.utc_us, chunk.mono_ns, source)


def records(path, **settings):
    return [r for r in read_file(path, settings=Settings(**settings)) if isinstance(r, Record)]


def test_an_identity_given_at_reading_is_for_those_that_have_none(live, tmp_path):
    path = tmp_path / "a.journal"
    write(path, [
        Setup({"protocol": "pdt"}, "tells"), Setup({"protocol": "pdt", "settings": {"device_id": "noted"}}, "noted"),
        Setup({"protocol": "pdt"}, "silent"),
        said(live, "tells", "\r\n" + STATUS.format(80), 0), said(live, "noted", "\r\n" + STATUS.format(81), 1),
        said(live, "silent", "\r\n" + STATUS.format(82), 2),
        said(live, "tells", "+PDTID: 1001,a,b,c,d\r\n", 4),
    ])  # fmt: skip
    assert {(r.rssi_dbm, r.device_id) for r in records(path)} == {(-80, "1001"), (-81, "noted")}
    found = {(r.rssi_dbm, r.device_id) for r in records(path, device_id="given")}
    assert found == {(-80, "1001"), (-81, "noted"), (-82, "given")}


def test_positions_of_a_receiver_go_to_all_and_a_handsets_own_are_not_mixed_in(live, tmp_path):
    path = tmp_path / "a.journal"
    entries = [Setup({"protocol": "nmea", "gps": True}, "gps"),
               Setup({"protocol": "pdt", "settings": {"device_id": "1"}}, "a"),
               Setup({"protocol": "dmr-at", "settings": {"device_id": "2"}}, "b")]  # fmt: skip
    for t in range(6):
        sentence = live.nmea(f"GPRMC,08000{t}.00,A,4148.0000,N,12324.0000,E,10.0,90.0,241126,,,A")
        other = live.nmea(f"GPRMC,08000{t}.00,A,1000.0000,N,01000.0000,E,10.0,90.0,241126,,,A")
        entries += [said(live, "gps", sentence, t), said(live, "a", other + STATUS.format(80), t + 0.2),
                    said(live, "b", "+DMORDRSSI:-90\r\n", t + 0.3)]  # fmt: skip
    write(path, entries)
    found = records(path)
    assert {r.device_id for r in found} == {"1", "2"} and len(found) == 12
    assert {r.lat for r in found} == {41.8}
    assert {r.raw_ref.split(":")[0] for r in found} == {"a", "b"}


def test_settings_said_now_go_before_those_noted_then():
    noted = Settings(datum="gcj02", sensitivity_dbm=-110, poll_s=5)
    assert merged(noted, Settings(datum="wgs84")) == Settings(datum="wgs84", sensitivity_dbm=-110, poll_s=5)
    assert to_json(noted) == {"datum": "gcj02", "sensitivity_dbm": -110, "poll_s": 5}


def test_a_recording_that_was_continued_is_read_as_one(live, tmp_path):
    path = tmp_path / "a.journal"
    for run in range(3):
        setup = Setup({"protocol": "pdt", "settings": {"device_id": "7"}}, "p")
        write(path, [setup, said(live, "p", "\r\n" + STATUS.format(80 + run), run * 100)])
    assert [r.rssi_dbm for r in records(path)] == [-80, -81, -82]
