"""Tables of faults: a kind, what is to come of each fault of it, and the faults themselves.

`python -m tests.faults.table` writes the page of the documentation that lists them all.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"

HEAD = """# Faults that are tried

Every test run puts these {count} faults into files, machines and command lines, and looks at what comes of each. They
are listed by kind, with the number of each. [Security](security.md) says what follows from them for files of others.

This page is written by `python -m tests.faults.table`.
"""


class Kind(NamedTuple):
    """Faults of one kind.

    Attributes:
        name: of the kind, a heading.
        outcome: what comes of each, a sentence.
        faults: what is wrong, in words → whatever a test makes of it.
    """

    name: str
    outcome: str
    faults: Mapping[str, Any]

    def rows(self) -> pytest.MarkDecorator:
        """Makes a test of each fault, which takes it as `fault`."""
        return pytest.mark.parametrize("fault", list(self.faults.values()), ids=list(self.faults))


def kinds() -> Iterator[Kind]:
    """Yields the kinds of all test modules beside this one, in the modules' order."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = import_module(f"tests.faults.{path.stem}")
        yield from (value for value in vars(module).values() if isinstance(value, Kind))


def page() -> str:
    """Returns the page of the documentation."""
    listed = list(kinds())
    parts = [HEAD.format(count=sum(len(kind.faults) for kind in listed))]
    for kind in listed:
        faults = "\n".join(f"- {fault}" for fault in kind.faults)
        parts.append(f"## {kind.name}\n\n{len(kind.faults)} faults. {kind.outcome}\n\n{faults}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    from tests.faults import table  # what test modules know by this name, and not the module that is run

    table.PAGE.write_text(table.page(), encoding="utf-8")
