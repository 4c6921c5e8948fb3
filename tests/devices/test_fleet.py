"""The register: adding, importing with a rule for duplicates, changes that can't be, history."""

from __future__ import annotations

import pytest

from devices import fleet
from devices.errors import DevicesError

CHINESE = """终端编号,厂商,型号,序列号,所属单位,携带方式,状态
0012,海能达,PD980,SN1,一分局,hip,在用
0013,海能达,PD980,SN2,二分局,,维修
"""


def put(tmp_path, text, name="handsets.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk"])
def test_a_register_with_chinese_headings(store, tmp_path, encoding):
    counts = fleet.import_csv(store, put(tmp_path, CHINESE, encoding=encoding), "refuse")
    assert counts == {"added": 2, "ignored": 0, "overridden": 0, "unchanged": 0}
    first, second = fleet.listing(store)
    assert (first["device_id"], first["maker"], first["unit"], first["carry"]) == ("0012", "海能达", "一分局", "hip")
    assert second["state"] == "in repair" and second["carry"] is None
    assert [row["device_id"] for row in fleet.listing(store, unit="二分局")] == ["0013"]
    assert [row["device_id"] for row in fleet.listing(store, state="in service")] == ["0012"]


def test_duplicates_are_refused_ignored_or_overridden_as_was_said(store, tmp_path):
    fleet.import_csv(store, put(tmp_path, CHINESE), "refuse")
    newer = put(tmp_path, "device_id,model,firmware\n0012,X1P,\n0014,X1P,V2\n", "newer.csv")
    with pytest.raises(
        DevicesError, match="newer.csv: row 2: device_id 0012 is registered already; say ignore or override"
    ):
        fleet.import_csv(store, newer, "refuse")
    assert len(fleet.listing(store)) == 2  # whole or not at all
    assert fleet.import_csv(store, newer, "ignore") == {"added": 1, "ignored": 1, "overridden": 0, "unchanged": 0}
    assert fleet.show(store, "0012")["model"] == "PD980"
    assert fleet.import_csv(store, newer, "override") == {"added": 0, "ignored": 0, "overridden": 1, "unchanged": 1}
    row = fleet.show(store, "0012")
    assert (row["model"], row["maker"]) == ("X1P", "海能达")  # an empty or absent cell changes nothing
    assert row["history"][0] | {"at": ""} == {
        "at": "",
        "who": "tester",
        "field": "model",
        "old": "PD980",
        "new": "X1P",
        "note": None,
    }


@pytest.mark.parametrize(("text", "said"), [
    ("device_id,colour\n1,red\n", 'row 1: unknown column "colour"; known: device_id'),
    ("maker\nHytera\n", "row 1: no column device_id"),
    ("device_id,state\n1,borrowed\n", "row 2: state 'borrowed'; known: in service, lent"),
    ("device_id,carry\n1,\n2,pocket\n", "row 3: carry 'pocket'; known: head, hip"),
    ("device_id,calibration_offset_db\n1,99\n", "row 2: calibration_offset_db 99: a number of dB within ±40"),
    ("device_id\n4.60E+14\n", "row 2: device_id '4.60E.14'.*spreadsheet"),
    ("device_id\n1\n1\n", "row 3: device_id 1 stands already in handsets.csv: row 2"),
    ("device_id,serial_number\n1,S\n2,S\n", "row 3: serial number S is that of 1, which is live"),
    ("device_id,maker\n,Hytera\n", "row 2: no device_id"),
    ("", "is empty"),
])  # fmt: skip
def test_faults_are_told_by_row_and_nothing_is_written(sqlite, tmp_path, text, said):
    with pytest.raises(DevicesError, match=said):
        fleet.import_csv(sqlite, put(tmp_path, text), "refuse")
    assert not fleet.listing(sqlite)


def test_changes_that_cannot_be_are_refused_with_the_reason(store):
    fleet.add(store, {"device_id": "1", "serial_number": "S"})
    fleet.change(store, "1", {"state": "retired"})
    with pytest.raises(DevicesError, match='1 is retired: from there to "in service" only with a note'):
        fleet.change(store, "1", {"state": "in service"})
    fleet.add(store, {"device_id": "2", "serial_number": "S"})  # the first is gone
    with pytest.raises(DevicesError, match="serial number S is that of 2, which is live"):
        fleet.change(store, "1", {"state": "in service"}, note="found again")
    assert fleet.change(store, "1", {"state": "in service", "serial_number": "S9"}, note="found again") == [
        "note", "serial_number", "state"]  # fmt: skip
    past = fleet.show(store, "1")["history"]
    assert [(c["field"], c["new"], c["note"]) for c in past[:2]] == [
        ("serial_number", "S9", "found again"), ("state", "in service", "found again")]  # fmt: skip
    with pytest.raises(DevicesError, match="no handset 7"):
        fleet.change(store, "7", {"state": "lost"})


def test_a_handset_known_from_its_logs_is_registered_later_and_keeps_its_records(take, sqlite):
    take("time,device_id,lat,lon,rssi_dbm\n2025-11-29T08:00:00Z,A1,41.8,123.4,-80\n")
    assert not fleet.show(sqlite, "A1")["registered"]
    assert fleet.add(sqlite, {"device_id": "A1", "maker": "Hytera"})["added"] == 1
    found = fleet.show(sqlite, "A1")
    assert found["registered"] and found["records"] == 1 and found["maker"] == "Hytera"
