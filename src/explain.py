"""`python -m src.explain` from a checkout: the door `whysaid-explain`."""

from whysaid.doors.entry import explain

if __name__ == "__main__":
    explain()
