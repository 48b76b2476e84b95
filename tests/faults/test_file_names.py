"""Files whose names are no UTF-8: what is written of them is."""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from tests.doors.test_explain_masks import MEAN
from tests.running import run_door
from whysaid.callbacks.media import _text, _wandb_cell
from whysaid.data.files.whole import write_whole
from whysaid.doors.explain import main
from whysaid.run.printable import encodable, encodable_values, plain_stem

CAFE = os.fsdecode(b"caf\xe9")
"""`café` in Latin-1."""

SHOWN = r"caf\udce9"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a photo, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(folder / f"{CAFE}.png")
    (folder / f"{CAFE}.txt").write_text("no photo")
    return folder


def test_a_report_escapes_them(finished: Path, photos: Path, places: list[str], tmp_path: Path) -> None:
    Image.fromarray(np.uint8(np.pad(np.full((16, 16), 255), 16))).save(tmp_path / f"{CAFE}.png")
    given = [f"ckpt={finished}", f"image={photos}", f"mask={tmp_path}/{CAFE}.png", "decoding=greedy", *MEAN]
    ran = run_door("explain", *given, *places)
    written = [path for path in ran.folder.rglob("*") if path.suffix in (".json", ".html", ".yaml", ".csv", ".log")]
    assert {path.suffix for path in written} == {".json", ".html", ".yaml", ".csv", ".log"}
    for path in written:
        assert CAFE not in path.read_text(encoding="utf-8")  # which refuses bytes that are no UTF-8
    content = json.loads((ran.folder / "explanations.json").read_text())
    json.dumps(content, ensure_ascii=False).encode()  # no half of a surrogate pair is left in it
    (record,) = content["explanations"]
    assert record["image"] == f"{photos}/{SHOWN}.png" and f"{SHOWN}.txt cannot be read" in content["skipped"][0]
    assert [thing["object"] for thing in record["objects"]] == ["caf_udce9"]
    assert np.load(ran.folder / record["maps"]) and all((ran.folder / name).is_file() for name in record["figures"])
    page = (ran.folder / "report.html").read_text()
    assert json.dumps(f"{SHOWN}.png") in page and f"{SHOWN}.txt cannot be read" in page
    ran.out.encode()
    assert f"{SHOWN}.png: " in ran.out and f"{SHOWN}.txt cannot be read" in ran.out


def test_tables_escape_them() -> None:
    assert _wandb_cell(CAFE) == _text(CAFE) == SHOWN and _wandb_cell(0.5) == 0.5
    assert encodable_values({CAFE: [CAFE, 1, None]}) == {SHOWN: [SHOWN, 1, None]}
    assert encodable("ein Hühnchen\n\x1b") == "ein Hühnchen\n\x1b"
    assert plain_stem(Path(f"{CAFE}.png")) == "caf_udce9" and plain_stem(Path("a\\b.png")) == "a\\b"


def test_any_text_file_can_be_written(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", f"é {CAFE}")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == f"é {SHOWN}"


def test_they_can_be_printed() -> None:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with patch.object(sys, "argv", ["src/explain.py", "--cfg", "job", "-p", "image", f"image={CAFE}.png"]):
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            main()
        print(CAFE, file=out)
    assert SHOWN in out.buffer.getvalue().decode()  # type: ignore[attr-defined]
