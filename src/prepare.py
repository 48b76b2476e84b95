"""`python -m src.prepare` from a checkout: the door `whysaid-prepare`."""

from whysaid.doors.entry import prepare

if __name__ == "__main__":
    prepare()
