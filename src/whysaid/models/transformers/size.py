"""How large a model is and in what numbers it computes, before its weights are read."""

import json
import logging
from math import prod
from pathlib import Path
from typing import Any

import torch

from whysaid.errors import UserError

log = logging.getLogger(__name__)

DTYPES = ("float32", "bfloat16", "float16")


def chosen_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """The dtype of a name; None: float32.

    Raises:
        UserError: another name, or half precision on a CPU that computes it by emulation alone.
    """
    if name is None:
        return torch.float32
    if name not in DTYPES:
        raise UserError(f"dtype={name} is none of {', '.join(DTYPES)}: choose one of these")
    if device.type == "cpu" and not _is_native(name):
        raise UserError(
            f"this CPU does not compute in {name}, and would take minutes where float32 takes seconds: leave dtype= "
            "out, or use a GPU"
        )
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _is_native(name: str) -> bool:
    if name == "bfloat16":
        return torch.cpu._is_avx512_bf16_supported()
    return name == "float32" or "avx512_fp16" in _cpu_flags()


def _cpu_flags() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def require_memory(folder: Path, name: str, dtype: torch.dtype, device: torch.device) -> None:
    """Raises UserError, naming the size, where the weights of a folder do not fit into the memory that is free."""
    numbers = parameter_count(folder)
    needed, free = numbers * dtype.itemsize, free_memory(device)
    kind = str(dtype).removeprefix("torch.")
    size = f"{name} has {_count(numbers)} weights, {_bytes(needed)} in {kind}"
    if free is not None and needed > free:
        raise UserError(
            f"{size}, and {_bytes(free)} of memory are free on {device}: choose dtype=bfloat16, another device=, "
            "or a smaller model"
        )
    log.info("%s", size)


def parameter_count(folder: Path) -> int:
    """The number of weights in a folder's safetensors, by their headers alone.

    Raises:
        UserError: a file is damaged.
    """
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        total += sum(prod(entry["shape"]) for name, entry in _header(path).items() if name != "__metadata__")
    return total


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(min(length, path.stat().st_size)))
            return header
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is damaged or not whole ({type(error).__name__}): fetch it again") from error


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where that is not known."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    for line in _meminfo().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _meminfo() -> str:
    path = Path("/proc/meminfo")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _count(number: int) -> str:
    return f"{number / 1e9:.3g} billion" if number >= 1e8 else f"{number:,}"


def _bytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e7 else f"{size:,} bytes"
