"""What the benchmarks share: CPU time, medians of runs that take turns, and the machine's name."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of this process, all its threads together."""
    before = time.process_time()
    run()
    return time.process_time() - before


def medians(kinds: Mapping[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median CPU seconds of each kind; all kinds run in each round, so that a busy machine slows all of them."""
    rounds = [{kind: cpu_seconds(run) for kind, run in kinds.items()} for _ in range(runs + 1)][1:]  # one to warm up
    return {kind: statistics.median(seconds[kind] for seconds in rounds) for kind in kinds}


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def write(name: str, result: Mapping[str, object]) -> Path:
    """Writes `results/<name>.json` with the machine's name, and returns its path; `results/avx2/<name>.json` where the
    processor, or the environment, has no more than AVX2."""
    folder = RESULTS / "avx2" if torch.backends.cpu.get_cpu_capability() == "AVX2" else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**machine(), **result}, indent=2) + "\n")
    return path


def report(name: str, about: Mapping[str, object], parts: Mapping[str, Callable[[], Mapping[str, float]]]) -> None:
    """Measures one part after the other, prints each as soon as it is known, and writes all of them.

    Args:
        name: of the file.
        about: what stands in it beside the figures.
        parts: name → measures it; figures keep three digits.
    """
    figures = {}
    for part, measure in parts.items():
        figures[part] = {key: float(f"{value:.3g}") for key, value in measure().items()}
        print(part, *(f"  {key:28} {value:10.4g}" for key, value in figures[part].items()), sep="\n", flush=True)
    print(write(name, {**about, **figures}))
