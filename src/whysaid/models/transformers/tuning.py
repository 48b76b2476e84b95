"""How a model of transformers is trained on: whole or by adapters of low rank, with or without its activations kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from whysaid.errors import UserError
from whysaid.models.transformers.cross_attention import CrossAttentionCaptioner
from whysaid.models.transformers.load import Pretrained
from whysaid.models.transformers.lora import add_lora, is_lora
from whysaid.models.transformers.prefix import PrefixCaptioner
from whysaid.models.transformers.pretrained import PretrainedCaptioner
from whysaid.models.transformers.recompute import set_recomputing


@dataclass
class Tuning:
    """Settings of a fine-tuning.

    Args:
        pretrained: a folder that `save_pretrained` wrote, or a name of the hub; None: a checkpoint brings the model.
        revision: branch, tag or commit of the hub.
        lora: `rank`, and `alpha` and `dropout` as `add_lora` takes them; a rank of None trains all weights.
        gradient_checkpointing: compute activations once more for the backward instead of keeping them.
    """

    pretrained: str | None = None
    revision: str | None = None
    lora: Mapping[str, Any] = field(default_factory=dict)
    gradient_checkpointing: bool = False

    @property
    def by_lora(self) -> bool:
        """Whether adapters are trained, and nothing else."""
        return self.lora.get("rank") is not None

    def prepared(self, model: Pretrained) -> PretrainedCaptioner:
        """The captioner of a model, made ready in place.

        Raises:
            UserError: it is no captioner that can be trained here, or the settings are none.
        """
        captioner = model.model
        if not isinstance(captioner, CrossAttentionCaptioner | PrefixCaptioner):
            raise UserError(
                f"{model.path} is a {type(captioner).__name__}, which is asked something and is not trained here: give "
                "a Blip, a Git or a VisionEncoderDecoderModel"
            )
        if not captioner.encoder.preprocessing.one_size:
            raise UserError(f"{model.path} sees photos in many shapes, of which no batch can be made: give another")
        if self.by_lora:
            rank, alpha = int(self.lora["rank"]), self.lora.get("alpha")
            add_lora(captioner.pretrained, rank, float(alpha or rank), float(self.lora.get("dropout") or 0.0))
        if self.gradient_checkpointing:
            if isinstance(captioner, PrefixCaptioner):
                raise UserError(
                    f"{model.path} reads the words behind a cache of the image, and a layer that is computed once more "
                    "has none: set model.gradient_checkpointing=false"
                )
            captioner.pretrained.gradient_checkpointing_enable({"use_reentrant": False})
            set_recomputing(captioner.decoder, False)
            captioner.recomputed = True
        return captioner

    def freeze(self, model: nn.Module) -> None:
        """Lets only adapters be trained, and of these none that is frozen; all stays as it is without adapters."""
        if self.by_lora:
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(parameter.requires_grad and is_lora(name))
