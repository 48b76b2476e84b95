"""README and pages of docs/: every command is one that the doors understand, and every file that is named is there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.running import composed
from whysaid.doors.command_line import keep_texts

ROOT = Path(__file__).parents[1]
PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
README, CLUSTER = PAGES["README.md"], PAGES["docs/cluster.md"]

DOOR = re.compile(r"(?:python -m src\.|whysaid-)(train|evaluate|explain|prepare|app)\b")


def shell_lines(page: str) -> list[str]:
    """The lines of a page's shell blocks, continued ones joined."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGES[page], re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


COMMANDS = {
    (page, line)
    for page in PAGES
    for line in shell_lines(page)
    if DOOR.match(line) and "hydra/launcher=" not in line  # those for SLURM are below
}


def given(command: str) -> tuple[str, list[str]]:
    """The door of a command line and what is written after it, with some path in place of each shell variable."""
    match = DOOR.match(command)
    assert match
    return match[1], keep_texts(shlex.split(re.sub(r"\$\w+", "any", command[match.end() :]), comments=True))


def first_of_sweep(override: str) -> str:
    """What the first run of a sweep is given."""
    return override if "(" in override else override.split(",")[0]


def test_the_readme_is_short_and_shows_the_doors() -> None:
    assert len(README.encode()) <= 9000
    for door in ("train", "evaluate", "explain", "prepare", "app"):
        assert f"python -m src.{door}" in README and f"`whysaid-{door}`" in README


@pytest.mark.parametrize(("page", "command"), sorted(COMMANDS))
def test_commands_compose(page: str, command: str, tmp_path: Path) -> None:
    door, arguments = given(command)
    if "--config-dir" in arguments:
        place = arguments.index("--config-dir")
        arguments[place : place + 2] = [f"hydra.searchpath=[file://{arguments[place + 1]}]"]
    overrides = [argument for argument in arguments if argument not in ("-m", "--cfg", "job")]
    if "-m" in arguments:
        overrides = [first_of_sweep(override) for override in overrides]
    if "experiment=mine" in overrides:
        overrides = [override.replace("file://conf", f"file://{tmp_path}/conf") for override in overrides]
        (tmp_path / "conf" / "experiment").mkdir(parents=True)
        (mine,) = re.findall(r"```yaml\n(.*?)```", PAGES[page], re.DOTALL)
        (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(mine)
    assert composed(door, tmp_path, *overrides)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_command_needs_is_made_by_a_line_above(page: str) -> None:
    """No command takes a checkpoint that nothing has made: who has only a clone can type one after the other.

    Pages for later reading may take `$CKPT` as the first page sets it.
    """
    alone = page in ("README.md", "docs/index.md", "docs/results.md")
    known, trained = set() if alone else {"CKPT"}, False
    for line in shell_lines(page):
        trained |= "make train" in line or bool(re.match(r"(python -m src\.|whysaid-)train\b", line))
        made = re.match(r"(\w+)=\$\(ls .*outputs/train/", line)
        if made:
            assert trained or not alone, line
            known.add(made[1])
        elif DOOR.match(line):
            assert set(re.findall(r"\$(\w+)", line)) <= known, line
            assert not re.search(r"\bckpt=[A-Z]+\b", line), f"{line}: name a checkpoint that exists"


SUBMITTED = re.findall(r"(?:sbatch|python -m src\.train) [^`\n]*experiment=[^`\n]*", CLUSTER.replace("\\\n", " "))
"""Of docs/cluster.md."""


def test_the_guide_to_clusters_shows_its_doors() -> None:
    assert len(SUBMITTED) >= 6
    for script in ("slurm/train.sbatch", "slurm/sweep.sbatch"):
        assert any(script in command for command in SUBMITTED) and (ROOT / script).exists()
    assert "(../docs/cluster.md)" in (ROOT / "slurm" / "README.md").read_text()


@pytest.mark.parametrize("command", SUBMITTED)
def test_what_is_submitted_composes(command: str, tmp_path: Path) -> None:
    _, _, after = command.partition(".sbatch " if ".sbatch" in command else " -m ")
    overrides = [override for override in shlex.split(after) if override != "-m" and not override.startswith("src.")]
    plain = [first_of_sweep(override) for override in overrides if "tag(" not in override]  # what Optuna draws from
    assert composed("train", tmp_path, *plain, f"paths.output_dir={tmp_path}")


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    named = re.findall(r"`((?:src|conf|tests|slurm|docs)/[\w./]+\.(?:py|yaml|md|sbatch))`", PAGES[page])
    placeholders = {name for name in named if "NAME" in name or name.startswith("conf/local/") or "mine" in name}
    assert [name for name in named if name not in placeholders and not (ROOT / name).is_file()] == []


def test_every_choice_of_a_group_is_named() -> None:
    """The README's table of groups holds the files of conf/, apart from those that only others build on."""
    for group in ("encoder", "model", "attribution", "study", "decoding", "debug", "preset", "logger", "trainer"):
        choices = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")} - {"checkpoint"}
        assert [choice for choice in sorted(choices) if f"`{choice}`" not in README] == [], group


def example(page: str, ckpt: Path, photo: Path) -> str:
    """The Python block of a page, with a checkpoint and a photo that are there."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)
    for name, path in {"ckpt": ckpt, "photo": photo}.items():
        code, count = re.subn(rf"^{name} = .*$", f"{name} = {str(path)!r}", code, flags=re.MULTILINE)
        assert count == 1
    return str(code)


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_example_runs(page: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(photo)
    names: dict[str, object] = {}
    exec(compile(example(page, finished / "checkpoints" / "best.ckpt", photo), page, "exec"), names)
    explanation = names["explanation"]
    words = explanation.words  # type: ignore[attr-defined]
    assert words and all(isinstance(word, str) for word in words)
    assert explanation.caption.split() == words  # type: ignore[attr-defined]
    assert explanation.maps.shape == (len(words), 40, 60)  # type: ignore[attr-defined]
    assert explanation.residual.shape == (len(words),)  # type: ignore[attr-defined]
    assert explanation.caption in capsys.readouterr().out  # type: ignore[attr-defined]
