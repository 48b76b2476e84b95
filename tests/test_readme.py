"""Every command in the README is one that the doors understand."""

import re
import shlex
from pathlib import Path

import pytest

from tests.running import composed

ROOT = Path(__file__).parents[1]
README, CLUSTER = (ROOT / "README.md").read_text(), (ROOT / "slurm" / "README.md").read_text()
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


SUBMITTED = re.findall(r"(?:sbatch|python -m src\.train) [^`\n]*experiment=[^`\n]*", CLUSTER.replace("\\\n", " "))
"""Of slurm/README.md."""


def test_the_guide_to_clusters_shows_its_doors() -> None:
    assert len(SUBMITTED) >= 6
    for script in ("slurm/train.sbatch", "slurm/sweep.sbatch"):
        assert any(script in command for command in SUBMITTED) and (ROOT / script).exists()


@pytest.mark.parametrize("command", SUBMITTED)
def test_what_is_submitted_composes(command: str, tmp_path: Path) -> None:
    _, _, given = command.partition(".sbatch " if ".sbatch" in command else " -m ")
    overrides = [override for override in shlex.split(given) if override != "-m" and not override.startswith("src.")]
    first = [override if "(" in override else override.split(",")[0] for override in overrides]
    plain = [override for override in first if "tag(" not in override]  # what Optuna draws from
    assert composed("train", tmp_path, *plain, f"paths.output_dir={tmp_path}")


def test_pictures_and_files_exist() -> None:
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README) + re.findall(r"`(src/[\w/]+\.py)`", README)
    assert len(shown) >= 4
    assert [name for name in shown if not (ROOT / name).is_file()] == []
