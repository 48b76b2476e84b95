"""Low-rank adapters (Hu et al. 2022): W x + (α / r) B A x, of which A and B alone are trained."""

import re
from typing import Any

from torch import nn

from whysaid.errors import UserError

_IN_A_LAYER = re.compile(r"\.\d+\.")


def add_lora(pretrained: nn.Module, rank: int, alpha: float, dropout: float) -> list[str]:
    """Puts an adapter beside each linear map in the layers of a model, in place; it changes nothing at first.

    Args:
        pretrained: of transformers; its embeddings, its head and what is between its parts stay as they are.
        rank: r.
        alpha: α.
        dropout: on what the adapters read.

    Returns:
        The names of these maps.

    Raises:
        UserError: `peft` is not installed, or the settings are none.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise UserError("model.lora needs the package peft: pip install 'whysaid[lora]'") from error
    if rank < 1 or alpha <= 0 or not 0 <= dropout < 1:
        raise UserError(
            f"model.lora has rank {rank}, alpha {alpha} and dropout {dropout}: set a rank of at least 1, an alpha "
            "above 0 and a dropout of at least 0 and below 1"
        )
    names = [
        name
        for name, module in pretrained.named_modules()
        if isinstance(module, nn.Linear) and _IN_A_LAYER.search(f".{name}")
    ]
    settings = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]
        lora_dropout=dropout,
        target_modules=names,
    )
    inject_adapter_in_model(settings, pretrained)
    return names


def merge_lora(pretrained: nn.Module) -> None:
    """Adds what the adapters have learnt to the weights, and takes them away, in place."""
    adapted = [(name, module) for name, module in pretrained.named_modules() if hasattr(module, "lora_A")]
    for name, module in adapted:
        made: Any = module
        made.merge()
        holder, _, last = name.rpartition(".")
        setattr(pretrained.get_submodule(holder), last, made.base_layer)


def is_lora(name: str) -> bool:
    """Whether a parameter is one of an adapter, by its name."""
    return ".lora_" in name
