"""The faults that are tried are many, and the documentation lists them by kind."""

from tests.faults.table import PAGE, kinds, page

LEAST = 120
"""Faults that the tables hold at least."""


def test_the_tables_hold_many_faults() -> None:
    listed = list(kinds())
    assert sum(len(kind.faults) for kind in listed) >= LEAST
    assert len({kind.name for kind in listed}) == len(listed)
    for kind in listed:
        assert kind.faults and kind.outcome.endswith(".") and kind.name[0].isupper()


def test_the_documentation_lists_them_by_kind() -> None:
    """`python -m tests.faults.table` writes the page anew."""
    assert PAGE.read_text(encoding="utf-8") == page()
