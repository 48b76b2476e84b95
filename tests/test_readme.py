"""Every command in the README is one that the doors understand."""

import re
import shlex
from pathlib import Path

import pytest

from tests.running import composed

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if "python -m src." in line]


def test_the_readme_shows_the_doors() -> None:
    assert {re.search(r"src\.(\w+)", command).group(1) for command in COMMANDS} >= {"train", "evaluate", "explain"}  # type: ignore[union-attr]
    assert "python -m src.prepare" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_compose(command: str, tmp_path: Path) -> None:
    _, _, door, *arguments = shlex.split(command, comments=True)
    swept = "-m" in arguments
    overrides = [argument for argument in arguments if argument != "-m"]
    if swept:  # the first run of the sweep
        overrides = [override.split(",")[0] for override in overrides]
    assert composed(door.removeprefix("src."), tmp_path, *overrides)


def test_pictures_and_files_exist() -> None:
    root = Path(__file__).parents[1]
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README) + re.findall(r"`(src/[\w/]+\.py)`", README)
    assert len(shown) >= 4
    assert [name for name in shown if not (root / name).is_file()] == []
