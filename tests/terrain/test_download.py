"""One file over HTTP, from a server that behaves as real ones do on a bad day."""

import hashlib
import socket

import numpy as np
import pytest

from terrain.download import FetchError, NotThere, download, read_text

BODY = np.random.default_rng(1).bytes(1_000_000)
KEY = "a/b.tif"


@pytest.fixture
def waited():
    return []


@pytest.fixture
def get(bucket, tmp_path, waited):
    bucket.files[KEY] = BODY

    def call(**options):
        target = tmp_path / "b.tif"
        options = {"waits_s": (1, 2, 4), "sleep": waited.append} | options
        return target, download(f"{bucket.url}/{KEY}", target, **options)

    return call


def left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


def test_a_file_comes_with_its_receipt_and_nothing_else_stays(get, bucket, tmp_path, waited):
    seen = []
    target, receipt = get(told=lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == BODY and left(tmp_path) == ["b.tif"]
    assert (receipt.size, receipt.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert (receipt.attempts, receipt.resumed, waited) == (1, False, [])
    assert seen[0] == (0, len(BODY)) and seen[-1] == (len(BODY), len(BODY))


def test_a_dropped_connection_goes_on_where_it_ended(get, bucket, tmp_path, waited):
    bucket.faults[KEY] = ["drop", "drop"]
    target, receipt = get()
    assert target.read_bytes() == BODY and receipt.attempts == 3 and waited == [1, 2]
    ranges = [asked for asked, _ in bucket.of(KEY)]
    assert ranges == [None, "bytes=500000-", "bytes=750000-"]


def test_what_an_earlier_run_left_is_taken_up(get, bucket, tmp_path):
    bucket.faults[KEY] = ["drop"]
    with pytest.raises(FetchError, match=r"ended after 500000 of 1000000 bytes \(1 attempts\)"):
        get(waits_s=())
    assert not (tmp_path / "b.tif").exists()
    target, receipt = get()
    assert target.read_bytes() == BODY and receipt.resumed
    assert bucket.of(KEY)[-1] == ("bytes=500000-", 206) and left(tmp_path) == ["b.tif"]


def test_an_interruption_keeps_the_part(get, bucket, tmp_path):
    def stop(done, total):
        if done > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(told=stop)
    assert not (tmp_path / "b.tif").exists()
    target, _ = get()
    start = int(bucket.of(KEY)[-1][0].removeprefix("bytes=").rstrip("-"))
    assert target.read_bytes() == BODY and start > 300_000


def test_a_file_that_changed_meanwhile_comes_anew(get, bucket, tmp_path):
    bucket.faults[KEY] = ["drop"]
    with pytest.raises(FetchError):
        get(waits_s=())
    bucket.files[KEY] = BODY[::-1]
    target, _ = get()
    assert target.read_bytes() == BODY[::-1] and bucket.of(KEY)[-1] == ("bytes=500000-", 200)


def test_a_part_longer_than_the_file_is_given_up(get, bucket, tmp_path):
    bucket.faults[KEY] = ["drop"]
    with pytest.raises(FetchError):
        get(waits_s=())
    bucket.etags[KEY] = bucket.etag(KEY)  # a server that does not tell of the change
    bucket.files[KEY] = BODY[:1000]
    target, _ = get()
    assert target.read_bytes() == BODY[:1000] and bucket.of(KEY)[1] == ("bytes=500000-", 416)


def test_a_server_without_ranges(get, bucket, tmp_path):
    bucket.faults[KEY] = ["drop", "plain"]
    target, receipt = get()
    assert target.read_bytes() == BODY and receipt.etag == ""


def test_a_busy_server_is_waited_for_as_it_asks(get, bucket, waited):
    bucket.faults[KEY] = ["500", ("retry", 7), "429"]
    target, receipt = get()
    assert target.read_bytes() == BODY and receipt.attempts == 4 and waited == [1, 7, 4]
    bucket.faults[KEY] = ["503"] * 9
    with pytest.raises(FetchError, match=r"the server answers 503 .* \(4 attempts\)"):
        get()


def test_refusals_are_not_repeated(get, bucket, waited):
    bucket.faults[KEY] = ["403", "404"]
    with pytest.raises(FetchError, match="refuses \\(403"):
        get()
    with pytest.raises(NotThere):
        get()
    assert len(bucket.requests) == 2 and waited == []


def test_wrong_bytes_are_noticed_by_the_checksum(get, bucket, tmp_path):
    bucket.faults[KEY] = ["garble"]
    target, receipt = get()
    assert target.read_bytes() == BODY and receipt.attempts == 2


def test_an_etag_that_only_looks_like_a_checksum_is_believed_the_second_time(get, bucket, tmp_path):
    bucket.etags[KEY] = f'"{"ab" * 16}"'
    target, receipt = get()
    assert target.read_bytes() == BODY and receipt.attempts == 2 and left(tmp_path) == ["b.tif"]


def test_nobody_there(tmp_path, waited):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(FetchError, match=r"no connection, or it broke .* \(3 attempts\)"):
        download(f"http://127.0.0.1:{port}/x", tmp_path / "x", waits_s=(1, 2), sleep=waited.append)
    assert waited == [1, 2] and left(tmp_path) == []


def test_a_name_nobody_knows_is_given_up_soon(tmp_path, waited, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(FetchError, match=r"is there a network\? \(2 attempts\)"):
        download("http://bucket.example/x", tmp_path / "x", waits_s=(1, 2, 4, 8), sleep=waited.append)
    assert waited == [1]


def test_small_texts(bucket, waited):
    bucket.files["list.txt"] = b"one\r\ntwo\r\n"
    bucket.faults["list.txt"] = ["503", "drop"]
    assert read_text(f"{bucket.url}/list.txt", waits_s=(1, 2), sleep=waited.append).split() == ["one", "two"]
    assert waited == [1, 2]
