"""`python -m src.app` from a checkout: the door `whysaid-app`."""

from whysaid.doors.entry import app

if __name__ == "__main__":
    app()
