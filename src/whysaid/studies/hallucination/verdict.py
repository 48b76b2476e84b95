"""Whether captions hallucinate less than others without saying less."""

from collections.abc import Mapping
from math import isnan

from whysaid.studies.common.statistics import Interval

BETTER = "better at no lower recall"


def verdict(chair: Interval, recall: Interval, margin: float) -> str:
    """Judges a claim by its paired differences to the row that it is held against.

    It is better at no lower recall where the whole interval of CHAIRi's difference is below 0, recall's difference is
    not below 0, and the whole interval of that lies above −`margin`. A NaN, of captions without objects, is not better.

    Args:
        chair, recall: differences of CHAIRi and of object recall, with their intervals.
        margin: of recall, in [0, 1].
    """
    if not chair.high < 0:
        return "no: CHAIRi is higher" if chair.low > 0 else "no: CHAIRi is not surely lower"
    if not recall.value >= 0:
        return "no: recall is lower"
    if not recall.low > -margin:
        return f"no: recall may be lower by {margin:g}"
    return BETTER


def on_frontier(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The rows that no other row beats in one of (CHAIRi, object recall) without losing in the other.

    Args:
        points: name → CHAIRi and object recall; those with a NaN are left out.
    """
    known = {name: point for name, point in points.items() if not isnan(sum(point))}
    return [
        name
        for name, (chair, recall) in known.items()
        if not any(c <= chair and r >= recall and (c, r) != (chair, recall) for c, r in known.values())
    ]
