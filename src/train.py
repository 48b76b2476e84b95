"""`python -m src.train` from a checkout: the door `whysaid-train`."""

from whysaid.doors.train import main

if __name__ == "__main__":
    main()
