"""What survives a kill."""

from pathlib import Path

import pytest

from whysaid.errors import UserError
from whysaid.studies.human_attention.journal import Journal


def test_records_are_kept_and_a_cut_line_is_not(tmp_path: Path) -> None:
    path = tmp_path / "run" / "rows.jsonl"
    first = Journal(path, {"size": 4})
    first.add({"id": 1, "rows": [{"x": 0.1}]})
    first.add({"id": 2})
    with path.open("a") as file:
        file.write('{"id": 3, "ro')
    again = Journal(path, {"size": 4})
    assert again.records == first.records == [{"id": 1, "rows": [{"x": 0.1}]}, {"id": 2}]
    again.add({"id": 3})
    assert [record["id"] for record in Journal(path, {"size": 4}).records] == [1, 2, 3]


def test_a_cut_first_line_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"siz')
    assert Journal(tmp_path / "rows.jsonl", {"size": 4}).records == []
    Journal(tmp_path / "rows.jsonl", {"size": 4}).add({"id": 1})
    assert Journal(tmp_path / "rows.jsonl", {"size": 4}).records == [{"id": 1}]


def test_other_settings_and_other_files(tmp_path: Path) -> None:
    Journal(tmp_path / "rows.jsonl", {"size": 4, "share": 0.1})
    with pytest.raises(UserError, match=r"other settings \(size\)"):
        Journal(tmp_path / "rows.jsonl", {"size": 5, "share": 0.1})
    (tmp_path / "text.jsonl").write_text("hello\n")
    with pytest.raises(UserError, match="is not what this study writes"):
        Journal(tmp_path / "text.jsonl", {})
