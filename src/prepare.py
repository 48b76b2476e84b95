"""`python -m src.prepare` from a checkout: the door `whysaid-prepare`."""

from whysaid.doors.prepare import main

if __name__ == "__main__":
    main()
