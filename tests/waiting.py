"""For what other processes do."""

import time
from collections.abc import Callable


def wait(until: Callable[[], object], seconds: float, about: Callable[[], object]) -> None:
    """Waits for a condition; fails, with what `about` says, where it does not come true."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, about()
        time.sleep(0.1)
