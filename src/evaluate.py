"""`python -m src.evaluate` from a checkout: the door `whysaid-evaluate`."""

from whysaid.doors.entry import evaluate

if __name__ == "__main__":
    evaluate()
