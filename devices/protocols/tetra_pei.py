"""TETRA terminals over their peripheral equipment interface (ETSI EN 300 392-5).

One query is open at a time. A line that begins as an indication is taken out of the answer around it, with the PDU
that belongs to it. What +CREG or +CTOM say is the same whether they answer or come by themselves. A round of queries
gives one record for the serving cell (+CSQ and the first line of +GCLI together) and one for each neighbour.
"""

from __future__ import annotations

import re
from dataclasses import replace

from devices.journal import Sent
from devices.lines import Line
from devices.protocols.base import LineParser, at_s, new_record
from devices.protocols.gpspos import Gpspos
from devices.protocols.merge import Item
from devices.protocols.tetra_sds import ShortData
from devices.protocols.tetra_words import DIRECT_MODES, MODES, REGISTRATION, cme_words
from devices.protocols.values import BadValue, csq_level, set_ber_band, set_csq
from devices.records import Record
from devices.streams import Chunk, Event

INDICATIONS = ("CTSDSR", "CTICN", "CTXG", "CDTXC", "CTXN", "CTXI", "CTXW", "CTXD", "CTCR", "CTTCT", "CTOCP", "CTCC",
               "CTGR", "CTGS", "CNUMD", "CTBCT", "CTDGR", "CMTI", "CMT")  # fmt: skip
ANSWERS = ("CSQ", "GCLI", "GPSPOS", "CREG", "CTOM", "CNUMF", "CNUMS", "CBC", "CCLK", "CTSP", "CMGS", "CMEE",
           "CSCS", "CTSDS", "CTDCD", "CCI", "CNCI", "CGPS")  # fmt: skip
IDENTITY = {"GMI": "maker", "CGMI": "maker", "GMM": "model", "CGMM": "model", "GMR": "firmware", "CGMR": "firmware",
            "GSN": "serial_number", "CGSN": "serial_number"}  # fmt: skip
FINALS = ("OK", "ERROR", "BUSY", "NO CARRIER")
#: CSQ is joined with the +GCLI of its round, which has to come within this
ROUND_S = 5.0
STATE_S = 60.0
STORM = 5
_PARTS = re.compile(rf"(?=\+(?:{'|'.join((*INDICATIONS, *ANSWERS))}):)")
_NAMED = re.compile(r"\+([A-Z]{2,8}):\s*(.*)", re.S)
_ERROR = re.compile(r"\+?CM([ES]) ERROR:\s*(\d+)")
_ECHO = re.compile(r"AT(?:[+&EZIVQS\\%D].*)?", re.I)
_CELL = re.compile(r"(\d{1,5}),([0-9A-Fa-f]{1,8}),(\d{1,3}),(-?\d{1,4})")


class TetraPei(LineParser):
    name = "tetra-pei"
    technology = "tetra"

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._query = ""
        self._state: tuple[str, float | None] = ("unknown", None)
        self._mode = 0
        self._inhibited = False
        self._area: int | None = None
        self._csq: Record | None = None
        self._csq_at: float | None = None
        self._cells: list[tuple[Line, re.Match[str]]] = []
        self._cells_left = 0
        self._sds = ShortData(self)
        self._gpspos = Gpspos(self.settings)
        self._errors = 0

    def sent(self, sent: Sent) -> list[Item]:
        items: list[Item] = []
        for command in sent.data.decode("latin-1").split("\r"):
            if command.strip():
                items += self._asked(command.strip())
        return items

    def feed(self, chunk: Chunk) -> list[Item]:
        now = at_s(chunk)
        late = now is not None and self._csq_at is not None and now - self._csq_at > ROUND_S
        return (self._give_csq() if late else []) + super().feed(chunk)

    def line(self, line: Line) -> list[Item] | None:
        text = line.text
        parts = [part for part in _PARTS.split(text) if part]
        if len(parts) > 1:
            found = [self.line(replace(line, data=part.strip().encode("latin-1"))) for part in parts]
            return None if all(one is None for one in found) else [item for one in found for item in one or []]
        pdu = self._sds.continued(text)
        if pdu is not None:
            return pdu
        items = self._sds.given_up()
        error = _ERROR.fullmatch(text)
        named = _NAMED.fullmatch(text)
        if error:
            return items + self._error(error[1], int(error[2]), line)
        if text in FINALS:
            return items + self._final(text, line)
        if _ECHO.fullmatch(text):
            return items + self._asked(text)
        if named:
            if named[1] in IDENTITY:
                setattr(self.live, IDENTITY[named[1]], named[2].strip())
                return items
            if named[1] not in ANSWERS and named[1] not in INDICATIONS:
                return items or None
            handler = getattr(self, f"_on_{named[1].lower()}", None)
            return items + (handler(named[2].strip(), line) if handler else [])
        if self._cells_left and (cell := _CELL.fullmatch(text)):
            self._cells.append((line, cell))
            self._cells_left -= 1
            return items + (self._give_cells() if self._cells_left == 0 else [])
        asked = re.match(r"AT\+(\w+)", self._query)
        if asked and asked[1] in IDENTITY:
            setattr(self.live, IDENTITY[asked[1]], text)
            return items
        # names and lists go on in lines without a prefix
        return items if self._query.startswith(("ATI", "AT+CNUM", "AT+CTSP")) else items or None

    def closing(self) -> list[Item]:
        return self._sds.given_up() + self._give_cells() + self._give_csq()

    def interrupted(self) -> list[Item]:
        self._query = ""
        return super().interrupted() + self._sds.given_up() + self._give_cells() + self._give_csq()

    def _asked(self, command: str) -> list[Item]:
        """A query begins: what the one before has given is complete."""
        items = self._give_cells()
        self._query = command.upper()
        begins_round = "GPSPOS" in self._query or "CSQ" in self._query
        return items + (self._give_csq() if begins_round else [])

    def _final(self, text: str, line: Line) -> list[Item]:
        items = self._give_cells()
        self._query = ""
        if text == "OK":
            self._errors = 0
            return items
        return items + self._failed(line, "ERROR")

    def _failed(self, line: Line, words: str) -> list[Item]:
        self._errors += 1
        self.counts.add("error_answer")
        self.live.trouble = words
        if self._errors == STORM:
            text = f"the terminal answers {words} to everything; is it unlocked, and is this its data port?"
            return [Event(line.utc_us, "error_storm", text)]
        return []

    def _error(self, kind: str, code: int, line: Line) -> list[Item]:
        items = self._give_cells()
        query, self._query = self._query, ""
        if kind == "S":
            return items + self._failed(line, f"CMS {code}")
        if code == 35:
            # garbage in the terminal's line buffer answers so until it is cleared
            self.counts.add("syntax_error_answer")
            return items
        if code == 30:
            return items + self._no_service(line, f"{query} CME 30")
        if code == 41:
            self._inhibited = True
        if "GPSPOS" in query or code == 50:
            self.live.trouble = "GPS gives nothing"
            self.counts.add("gps_off")
            items += self._before_gps(line)
            self.assembler.last_fix = None
            return items
        return items + self._failed(line, cme_words(code))

    def _on_csq(self, text: str, line: Line) -> list[Item]:
        parts = [part.strip() for part in text.split(",")]
        if not 1 <= len(parts) <= 2 or not all(re.fullmatch(r"\d{1,3}", part) for part in parts):
            return [self.reject(line, "csq", text, "no_match", "+CSQ: has to be <signal quality>,<bit error class>")]
        index = int(parts[0])
        items = self._give_csq()
        try:
            level, censor = csq_level(index)
        except BadValue as error:
            return [*items, self.reject(line, "rssi", parts[0], error.code, str(error))]
        self._heard(level, censor, line)
        record = self._new(line)
        if record is None:
            return [*items, self._timeless(line)]
        set_csq(record, index)
        set_ber_band(record, int(parts[1]) if len(parts) > 1 else None)
        record.location_area = self._area
        self._csq, self._csq_at = record, at_s(line)
        return items

    def _on_gcli(self, text: str, line: Line) -> list[Item]:
        items = self._give_cells()
        if not re.fullmatch(r"\d{1,3}", text):
            return [*items, self.reject(line, "gcli", text, "no_match", "+GCLI: has to be the number of cells")]
        self._cells_left = int(text)
        return items

    def _give_cells(self) -> list[Item]:
        """The cells of a +GCLI, serving first; its level and the +CSQ of the round are one observation."""
        if self._cells_left:
            self.counts.add("cells_missing", self._cells_left)
        self._cells_left = 0
        cells, self._cells = self._cells, []
        items: list[Item] = []
        for number, (line, cell) in enumerate(cells):
            record = self._new(line)
            if record is None:
                items.append(self._timeless(line))
                continue
            try:
                set_csq(record, int(cell[3]))
            except BadValue as error:
                items.append(self.reject(line, "rssi", cell[3], error.code, str(error)))
                continue
            record.location_area, record.channel = int(cell[1]), cell[2].lower()
            record.c1_db = None if int(cell[3]) == 99 else float(cell[4])
            record.role = "neighbour" if number else "serving"
            if number == 0:
                self._join_csq(record)
                self._area = record.location_area
                self.live.cell = f"LA {cell[1]} carrier {cell[2].lower()}"
                self._heard(record.rssi_dbm, record.rssi_censor, line)
            items += self.assembler.level(record, at_s(line))
        return items

    def _join_csq(self, record: Record) -> None:
        if self._csq is None:
            return
        csq, self._csq, self._csq_at = self._csq, None, None
        record.ber_low_percent, record.ber_high_percent = csq.ber_low_percent, csq.ber_high_percent
        record.raw_key = f"{csq.raw_key} {record.raw_key}"
        if record.rssi_dbm is None:
            record.rssi_dbm, record.rssi_censor, record.rssi_step_db = csq.rssi_dbm, csq.rssi_censor, csq.rssi_step_db

    def _give_csq(self) -> list[Item]:
        """The +CSQ that no +GCLI came for."""
        if self._csq is None:
            return []
        record, at = self._csq, self._csq_at
        self._csq = self._csq_at = None
        return self.assembler.level(record, at)

    def _before_gps(self, line: Line) -> list[Item]:
        """Without stamps a level belongs to the position before it, not to the one that comes now."""
        return self._give_csq() if at_s(line) is None else []

    def _on_gpspos(self, text: str, line: Line) -> list[Item]:
        try:
            fix, day_missing = self._gpspos.fix(text, line)
        except BadValue as error:
            return [self.reject(line, "position", text, error.code, str(error))]
        if day_missing:
            reason = "a time of day without a date: give the day of the capture (date = 2026-11-24 in the profile)"
            return [self.reject(line, "time", text, "time_missing", reason)]
        if self.live.trouble == "GPS gives nothing":
            self.live.trouble = ""
        return self._before_gps(line) + (self.position(fix) if fix is not None else [])

    def _on_creg(self, text: str, line: Line) -> list[Item]:
        parts = [part.strip() for part in text.split(",")]
        if not parts[0].isdecimal() or int(parts[0]) not in REGISTRATION:
            return [self.reject(line, "service", text, "no_match", "+CREG: has to begin with a status of 0..5")]
        state, words = REGISTRATION[int(parts[0])]
        items: list[Item] = []
        if state != self._state[0]:
            items.append(Event(line.utc_us, "service", words))
        self._state = state, at_s(line)
        self._area = int(parts[1]) if len(parts) > 1 and re.fullmatch(r"\d{1,5}", parts[1]) else None
        if state in ("registered", "visited"):
            self._inhibited = False
        self.live.service_state = "direct_mode" if self._mode in DIRECT_MODES else state
        return items + (self._no_service(line, line.text) if state == "no_service" else [])

    def _no_service(self, line: Line, raw: str) -> list[Item]:
        """An explicit statement that there is no network; in direct mode or transmit inhibit it says nothing."""
        record = self._new(line)
        if record is None or self._mode in DIRECT_MODES or self._inhibited:
            self.counts.add("no_service_set_aside")
            return [] if record is not None else [self._timeless(line)]
        record.service_state = self.live.service_state = "no_service"
        record.raw_key = raw
        self.live.rssi_dbm, self.live.level_at_s = None, at_s(line)
        return self.assembler.level(record, at_s(line))

    def _on_ctom(self, text: str, line: Line) -> list[Item]:
        if not text.isdecimal():
            return [self.reject(line, "mode", text, "no_match", "+CTOM: has to be a number")]
        mode = int(text)
        changed, self._mode = mode != self._mode, mode
        if mode in DIRECT_MODES:
            self.live.service_state = "direct_mode"
        return [Event(line.utc_us, "mode", MODES.get(mode, f"mode {mode}"))] if changed else []

    def _on_cnumf(self, text: str, line: Line) -> list[Item]:
        found = re.match(r"(\d+),\s*(\d{1,17})$", text)
        if not found:
            return [self.reject(line, "identity", text, "no_match", "+CNUMF: has to be <type>,<digits>")]
        digits = found[2]
        # MCC and MNC in front, eight digits of short subscriber identity at the end
        self.live.identity = digits[-8:]
        return self.assembler.identity(self.live.identity) if found[1] in ("0", "6") else []

    def _on_cbc(self, text: str, line: Line) -> list[Item]:
        found = re.fullmatch(r"\d+,\s*(\d{1,3})", text)
        if not found or int(found[1]) > 100:
            return [self.reject(line, "battery", text, "no_match", "+CBC: has to be <status>,<percent>")]
        self.live.battery_percent = float(found[1])
        return []

    def _on_ctsdsr(self, text: str, line: Line) -> list[Item]:
        return self._sds.indicated(text, line)

    def _new(self, line: Line) -> Record | None:
        """A record in the state the terminal is known to be in; where the capture has no stamps, of the last fix."""
        record = new_record(self, line)
        fix = self.assembler.last_fix
        if record is None and fix is not None and fix.time_us is not None:
            record = new_record(self, replace(line, utc_us=fix.time_us))
            record.time_source = "gps"
        if record is None:
            return None
        state, since = self._state
        now = at_s(line)
        known = since is None or now is None or now - since <= STATE_S
        if self._mode in DIRECT_MODES:
            record.direction, record.service_state = "direct", "direct_mode"
        elif known and state != "no_service":
            record.service_state = state
        return record

    def _timeless(self, line: Line) -> Item:
        text = "no time: the capture has no stamps of the computer, and no +GPSPOS with a date came before"
        return self.reject(line, "time", line.text, "time_missing", text)

    def _heard(self, level: float | None, censor: str, line: Line) -> None:
        self.live.rssi_dbm, self.live.rssi_censor, self.live.level_at_s = level, censor, at_s(line)
        if self.live.trouble != "GPS gives nothing":
            self.live.trouble = ""
