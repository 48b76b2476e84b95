"""From a configuration to the objects it names, one module per task."""

from importlib import import_module
from types import ModuleType

from src.errors import UserError


def assembly(name: str) -> ModuleType:
    """The module that a configuration names as `assemble`, with its `build_task` and its `build_evaluation`."""
    if not name.startswith("src.assemble."):
        raise UserError(f"assemble={name} is not a module of src.assemble: leave it to the task group")
    return import_module(name)
