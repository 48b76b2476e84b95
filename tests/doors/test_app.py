"""The app as it is typed: it listens, it ends, and what cannot work is one line."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.running import run_door

pytest.importorskip("gradio", reason="Gradio is not installed: pip install -e '.[app]'")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_it_listens_and_leaves_nothing_behind(finished: Path, tmp_path: Path) -> None:
    port = free_port()
    arguments = [f"ckpt={finished}/checkpoints/best.ckpt", f"port={port}"]
    code = "from whysaid.doors.app import main; main()"
    folder, temporary = tmp_path / "empty", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(temporary)}
    app = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, env=environment)
    try:
        for _ in range(600):
            try:
                with urlopen(f"http://127.0.0.1:{port}") as page:
                    assert b"gradio" in page.read()
                break
            except URLError:
                assert app.poll() is None, "the app has ended by itself"
                time.sleep(0.2)
        else:
            pytest.fail("the app never answered")
        app.send_signal(signal.SIGTERM)
        app.wait(timeout=60)
    finally:
        app.kill()
    assert list(folder.iterdir()) == [] and not list(temporary.glob("whysaid*"))


def test_a_port_in_use_is_one_line(finished: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        error = run_door("app", f"ckpt={finished}/checkpoints/best.ckpt", f"port={port}").error
    assert f"cannot listen at 127.0.0.1:{port}" in error and "give another port=" in error


def test_a_missing_checkpoint_is_one_line(tmp_path: Path) -> None:
    assert "nowhere.ckpt" in run_door("app", f"ckpt={tmp_path}/nowhere.ckpt", f"port={free_port()}").error


def test_gradio_missing_is_one_line(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whysaid.doors.app.find_spec", lambda name: None)
    assert "pip install 'whysaid[app]'" in run_door("app", f"ckpt={finished}/checkpoints/best.ckpt").error
