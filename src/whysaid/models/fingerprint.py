"""What tells one model from another, whatever file it lies in."""

import hashlib
import json
from collections.abc import Sequence

import torch
from torch import nn


def fingerprint(module: nn.Module, about: Sequence[object]) -> str:
    """32 hexadecimal digits that change with any weight of a module, and with plain values that go with it.

    Args:
        module: counters of BatchNorm are passed over: nothing depends on them, and not every weights file has them.
        about: such as its class, as JSON holds it.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(list(about)).encode())
    for name, value in sorted(module.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
