import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.server import published
from whysaid.data.files.download import download, require_space
from whysaid.errors import UserError

CONTENT = np.random.default_rng(0).bytes(700_001)
MD5 = hashlib.md5(CONTENT).hexdigest()
HALF = 350_000


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with published({"/a.zip": CONTENT}) as server:
        yield server


def partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def test_whole_file_then_no_request(tmp_path, server):
    path = tmp_path / "new" / "a.zip"
    download(server.url("/a.zip"), path, len(CONTENT), MD5)
    assert path.read_bytes() == CONTENT and not partial(path).exists()
    assert server.asked == [None]
    download(server.url("/a.zip"), path, len(CONTENT), MD5)
    assert len(server.asked) == 1


def test_a_broken_connection_is_taken_up_where_it_broke(tmp_path, server):
    server.breaks = [HALF, 1000]
    path = tmp_path / "a.zip"
    download(server.url("/a.zip"), path, len(CONTENT), MD5)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_stopped_download_continues_in_the_next_run(tmp_path, server):
    server.breaks = [HALF, 0]  # the second connection brings nothing: given up
    path = tmp_path / "a.zip"
    with pytest.raises(UserError, match=r"broke off at 350,000 of 700,001 bytes: run this again"):
        download(server.url("/a.zip"), path, len(CONTENT), MD5)
    assert not path.exists() and partial(path).read_bytes() == CONTENT[:HALF]
    server.asked.clear()
    download(server.url("/a.zip"), path, len(CONTENT), MD5)
    assert path.read_bytes() == CONTENT
    assert server.asked == [f"bytes={HALF}-"]


def test_a_server_without_ranges_starts_over(tmp_path, server):
    server.ranges, path = False, tmp_path / "a.zip"
    partial(path).write_bytes(b"something else" * 1000)
    download(server.url("/a.zip"), path, len(CONTENT), MD5)
    assert path.read_bytes() == CONTENT


def test_a_whole_partial_is_only_verified(tmp_path, server):
    path = tmp_path / "a.zip"
    partial(path).write_bytes(CONTENT)
    download(server.url("/a.zip"), path, len(CONTENT), MD5)
    assert path.read_bytes() == CONTENT and server.asked == []


def test_wrong_checksum_removes_the_file(tmp_path, server):
    path = tmp_path / "a.zip"
    with pytest.raises(UserError, match="came damaged"):
        download(server.url("/a.zip"), path, len(CONTENT), "0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_a_partial_that_is_too_long_is_removed(tmp_path, server):
    path = tmp_path / "a.zip"
    partial(path).write_bytes(CONTENT + b"!")
    with pytest.raises(UserError, match="came as 700,002 bytes"):
        download(server.url("/a.zip"), path, len(CONTENT), MD5)
    assert list(tmp_path.iterdir()) == []


def test_another_file_under_the_address_is_refused_before_it_comes(tmp_path, server):
    path = tmp_path / "a.zip"
    with pytest.raises(UserError, match="holds 700,001 bytes where 700,003 are expected"):
        download(server.url("/a.zip"), path, len(CONTENT) + 2, MD5)
    assert list(tmp_path.iterdir()) == []


def test_http_error_keeps_what_came(tmp_path, server):
    path = tmp_path / "b.zip"
    partial(path).write_bytes(b"abc")
    with pytest.raises(UserError, match=r"answers 404 .* put b\.zip into .* yourself"):
        download(server.url("/b.zip"), path, 10)
    assert partial(path).read_bytes() == b"abc"


def test_no_network(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match=r"cannot be reached .* check the network"):
        download(server.url("/a.zip"), tmp_path / "a.zip", len(CONTENT))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up(tmp_path, server):
    partial(tmp_path / "a.zip").symlink_to("/dev/full")
    with pytest.raises(UserError, match="No space left on device"):
        download(server.url("/a.zip"), tmp_path / "a.zip", len(CONTENT))


def test_space_is_asked_for_beforehand(tmp_path, server):
    free = shutil.disk_usage(tmp_path).free
    require_space(tmp_path, free // 2)
    with pytest.raises(UserError, match="make room"):
        require_space(tmp_path, 2 * free)
    with pytest.raises(UserError, match="make room"):
        download(server.url("/a.zip"), tmp_path / "a.zip", 2 * free)
    assert server.asked == []
