import io

from whysaid.run.printable import Printer
from whysaid.studies.common.outcome import Outcome


def printed(outcome: Outcome) -> str:
    out = io.StringIO()
    Printer(file=out, width=200).print(outcome.table())
    return out.getvalue()


def test_an_interval_stands_in_the_cell_of_its_value():
    rows = [
        {"method": "lrp", "words": 12, "x": 0.5, "x_low": 0.25, "x_high": 0.75, "p": None, "low": "[b]"},
        {"method": "other", "words": 12, "x": None, "x_low": None, "x_high": None, "p": 0.000012, "low": ""},
    ]
    head, *body = [line for line in printed(Outcome(rows, {})).splitlines() if "┃" in line or "│" in line]
    assert [cell.strip() for cell in head.split("┃")[1:-1]] == ["method", "words", "x", "p", "low"]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in body]
    assert cells == [["lrp", "12", "0.500 [0.250, 0.750]", "", "[b]"], ["other", "12", "", "1.2e-05", ""]]


def test_no_rows():
    assert printed(Outcome([], {})).strip() == ""
