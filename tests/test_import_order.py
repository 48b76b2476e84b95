"""Imports point one way: a room takes from the rooms below it, and none takes from a room above."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "whysaid"

FLOORS = (
    {"doors"},
    {"app"},
    {"assemble"},
    {"studies", "report"},
    {"counterfactual", "callbacks"},
    {"tasks"},
    {"objectives", "figures"},
    {"attribution", "decoding", "metrics"},
    {"models"},
    {"run", "checkpoint"},
    {"data"},
    {"errors", "version"},
)
"""Rooms from the top of the house to its ground."""

LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """`whysaid.data.batch` → `data`."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> set[str]:
    """The modules of this package that a file imports, wherever in the file; but not for type checking alone."""
    tree = ast.parse(path.read_text())
    checked_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and getattr(branch.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    nodes = [node for node in ast.walk(tree) if id(node) not in checked_only]
    found = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    found |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {module for module in found if module.split(".")[0] == "whysaid"}


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE or path.stem != "__init__"]


def test_every_room_has_its_floor() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert rooms == set(LEVEL)


def test_no_room_takes_from_one_above() -> None:
    upward = []
    for path in FILES:
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        upward += [
            f"{path.relative_to(PACKAGE)} imports {module}"
            for module in sorted(imports(path))
            if LEVEL[room_of(module)] < LEVEL[own]
        ]
    assert upward == []


def test_models_and_data_know_no_framework() -> None:
    """nn.Modules and batches know nothing of Hydra and W&B, and models nothing of Lightning either."""
    foreign = {"models": {"hydra", "wandb", "pytorch_lightning", "omegaconf"}, "data": {"hydra", "wandb", "omegaconf"}}
    for room, frameworks in foreign.items():
        for path in sorted((PACKAGE / room).rglob("*.py")):
            names = {
                (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import | ast.ImportFrom)
            }
            assert {name.split(".")[0] for name in names} & frameworks == set(), path
