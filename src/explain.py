"""`python -m src.explain` from a checkout: the door `whysaid-explain`."""

from whysaid.doors.explain import main

if __name__ == "__main__":
    main()
