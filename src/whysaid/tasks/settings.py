"""A look at the settings of an optimiser and its schedule before anything is trained."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from whysaid.errors import UserError
from whysaid.tasks.schedules import scheduled


def require_settings(make_optimizer: Callable[..., Any], make_scheduler: Callable[..., Any] | None) -> None:
    """Makes both for one number, and throws them away.

    Args:
        make_optimizer: makes an optimiser of parameters.
        make_scheduler: makes a schedule of the optimiser, or None.

    Raises:
        UserError: one of them refuses its settings, such as a learning rate below zero.
    """
    kind = "optimizer"
    try:
        optimizer = make_optimizer([nn.Parameter(torch.zeros(1))])
        kind = "scheduler"
        if make_scheduler is not None:
            scheduled(make_scheduler, optimizer, 1)
    except (TypeError, ValueError) as error:
        reason = str(error).removesuffix(".")
        raise UserError(f"the {kind} refuses its settings: {reason}; change {kind}.…") from error
