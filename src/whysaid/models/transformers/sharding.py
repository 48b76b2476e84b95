"""Weights of a model of transformers that are spread over processes."""

from collections.abc import Iterator

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from whysaid.models.transformers.pretrained import PretrainedCaptioner

ENTRIES = ("features", "start", "step", "unroll")
"""The methods by which others run a captioner; before each of them the weights outside of layers are gathered."""


def shard(captioner: PretrainedCaptioner, mesh: DeviceMesh) -> None:
    """Shards each layer on its own, the rest of the encoder together, and all that is left; once, however often it is
    called.

    A layer's weights are gathered while it runs, so that a process never holds more than those of one layer and those
    outside of layers.

    Args:
        captioner: with its whole weights, the same in each process.
        mesh: of one dimension, along which weights are sharded.
    """
    if isinstance(captioner, FSDPModule):
        return
    for layer in layers(captioner):
        fully_shard(layer, mesh=mesh)
    fully_shard(captioner.encoder, mesh=mesh)  # which is run alone too, for the mean of the training features
    fully_shard(captioner, mesh=mesh)
    for name in ENTRIES:
        register_fsdp_forward_method(captioner, name)


def gather(captioner: PretrainedCaptioner) -> None:
    """Keeps all weights whole in each process until `release`, where they are sharded.

    Processes that write captions take different numbers of steps, and one of them draws pictures alone: without this
    each of them would wait for others that never come.
    """
    for module in sharded(captioner):
        module.set_reshard_after_forward(False, recurse=False)
        module.set_reshard_after_backward(False, recurse=False)
        module.unshard()


def release(captioner: PretrainedCaptioner) -> None:
    """Undoes `gather`."""
    for module in sharded(captioner):
        module.set_reshard_after_forward(module is not captioner, recurse=False)
        module.set_reshard_after_backward(True, recurse=False)
        module.reshard()


def sharded(model: nn.Module) -> Iterator[FSDPModule]:
    """The parts of a model that are sharded, each on its own; none where it is whole."""
    return (module for module in model.modules() if isinstance(module, FSDPModule))


def layers(model: nn.Module) -> Iterator[nn.Module]:
    """The repeated modules of a model, which are the items of its lists; of lists in lists those of the outer ones."""
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from layers(child)
