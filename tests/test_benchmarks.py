"""Benchmarks run by hand alone: what they take from the package must be where they look for it."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_benchmark_takes_from_the_package_is_there(file: Path) -> None:
    taken = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    for node in taken:
        if node.module is None or node.module.partition(".")[0] != "whysaid":
            continue
        module = import_module(node.module)
        for name in node.names:
            where = f"{node.module}.{name.name}"
            assert hasattr(module, name.name) or find_spec(where) is not None, f"{file.name} takes {where}"
