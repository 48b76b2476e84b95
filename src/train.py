"""`python -m src.train` from a checkout: the door `whysaid-train`."""

from whysaid.doors.entry import train

if __name__ == "__main__":
    train()
