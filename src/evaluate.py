"""`python -m src.evaluate` from a checkout: the door `whysaid-evaluate`."""

from whysaid.doors.evaluate import main

if __name__ == "__main__":
    main()
