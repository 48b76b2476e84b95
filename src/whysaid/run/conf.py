"""The configuration files: their place, and what they offer on the command line of a door."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

_PACKAGE = Path(__file__).parents[1]

CONF = next(
    (folder for folder in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if folder.is_dir()), _PACKAGE / "conf"
)
"""The folder of the yaml files: inside the installed package, or at the top of a checkout."""

DOORS = tuple(sorted(path.stem for path in CONF.glob("*.yaml") if (_PACKAGE / "doors" / f"{path.stem}.py").exists()))
"""The names of the doors, each of which composes the file of its name."""


def groups_of(door: str) -> dict[str, object]:
    """Returns the groups that a door takes, and what it chooses of each by itself: a name, names, or None."""
    defaults = [entry for entry in OmegaConf.load(CONF / f"{door}.yaml").defaults if isinstance(entry, DictConfig)]
    chosen = {str(key).split(" ")[-1]: entry._get_node(key) for entry in defaults for key in entry}
    return {group: node._value() for group, node in chosen.items() if not group.startswith("hydra/")}  # type: ignore[union-attr]


def choices(group: str) -> list[str]:
    """Lists the choices of a group, in alphabetical order."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def choices_of(door: str) -> str:
    """Returns a line for each group of a door that has choices: `group: choice, choice`."""
    offered = {group: choices(group) for group in sorted(groups_of(door))}
    return "".join(f"{group}: {', '.join(names)}\n" for group, names in offered.items() if names)
