"""Many ports in one journal: each with its own protocol, settings and identity; the words for what goes wrong."""

import re
from pathlib import Path

from devices import protocols
from devices.journal import Setup, Writer
from devices.protocols import read_file, reasons
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


#: words that files have, too, in their own list
SHARED = {"time_missing", "time_out_of_range", "device_missing", "not_a_number", "level_positive", "level_half_db",
          "level_out_of_range", "level_code", "frequency_out_of_range", "no_match", "checksum"}  # fmt: skip
SHARED_FLAGS = {"position_zero", "position_old", "position_age", "clock", "leap_second"}


def test_every_code_flag_and_count_has_its_words_in_two_languages():
    source = "".join(path.read_text() for path in sorted(Path(protocols.__file__).parent.parent.rglob("*.py")))
    rejects = set(re.findall(r'(?:reject\(\w+(?:\.\w+)?, [^,\n]+, [^\n]+?, |BadValue\(|code = )"([a-z_]+)"', source))
    flags = set(re.findall(r'(?:add_flag\(record, |flags\.append\()"([a-z_]+)"', source))
    counts = set(re.findall(r'counts\.add\("([a-z_]+)"', source))
    assert len(rejects) > 8 and len(flags) > 5 and len(counts) > 10
    assert rejects <= SHARED | set(reasons.REASONS)
    assert flags <= SHARED_FLAGS | set(reasons.FLAGS)
    assert counts <= SHARED | {"cut_at_end"} | set(reasons.COUNTS)
    for table in (reasons.REASONS, reasons.FLAGS, reasons.COUNTS):
        assert all(english and chinese for english, chinese in table.values())


def test_a_stream_not_recognised_yet_when_it_is_set_up_again_is_not_lost(live, tmp_path):
    path = tmp_path / "a.journal"
    sentence = live.nmea("GPRMC,080000.00,A,4148.0000,N,12324.0000,E,10.0,90.0,241126,,,A")
    setup = Setup({"settings": {"device_id": "7"}}, "p")
    write(path, [setup, said(live, "p", sentence, 0), setup, said(live, "p", sentence, 100)])
    assert [r.lat for r in records(path)] == [41.8, 41.8]
