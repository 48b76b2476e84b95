"""Models of transformers small enough for float64, made in memory, each as one function of pixels and embedded words.

B images, S words, V vocabulary, E embedding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor, nn

B, S, V, E, SIDE = 2, 4, 11, 12, 8

CONSTANTS = ("bias", "position", "class_embedding", "class_token", "cls_token", "token_type", "wpe")
"""What the names of parameters hold that are added to what depends on the input."""


class Tiny(NamedTuple):
    """A model, and the logits (B, 1, V) or (B, S, V) that it gives for images (B, 3, 8, 8) and words (B, S, E)."""

    model: nn.Module
    run: Callable[[Tensor, Tensor], Tensor]


VISION = {
    "hidden_size": E,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 4,
}
TEXT = {
    "vocab_size": V,
    "hidden_size": E,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def blip() -> Tiny:
    """Cross-attention; raw products and softmax."""
    text = {**TEXT, "encoder_hidden_size": E, "projection_dim": E, "sep_token_id": 2}
    config = transformers.BlipConfig(vision_config=VISION, text_config=text, projection_dim=E)
    model = transformers.BlipForConditionalGeneration(config)

    def run(images: Tensor, words: Tensor) -> Tensor:
        sight = model.vision_model(images).last_hidden_state
        # not a leaf: positions are added to it in place
        logits: Tensor = model.text_decoder(inputs_embeds=words * 1, encoder_hidden_states=sight).logits
        return logits

    return Tiny(model, run)


def vit_gpt2(attention: str = "sdpa") -> Tiny:
    """Cross-attention by torch's fused function, GELU written out, layers as `addmm`."""
    sizes: dict[str, Any] = {"n_positions": 16, "n_embd": E, "n_layer": 2, "n_head": 2}
    decoder = transformers.GPT2Config(
        vocab_size=V, add_cross_attention=True, is_decoder=True, bos_token_id=1, eos_token_id=2, **sizes
    )
    encoder = transformers.ViTConfig(**VISION)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    model = transformers.VisionEncoderDecoderModel(config)
    model.set_attn_implementation(attention)

    def run(images: Tensor, words: Tensor) -> Tensor:
        sight = model.encoder(images).last_hidden_state
        logits: Tensor = model.decoder(inputs_embeds=words, encoder_hidden_states=sight).logits
        return logits

    return Tiny(model, run)


def git() -> Tiny:
    """Image and words as one sequence."""
    model = transformers.GitForCausalLM(transformers.GitConfig(vision_config=VISION, **TEXT))

    def run(images: Tensor, words: Tensor) -> Tensor:
        logits: Tensor = model(inputs_embeds=words * 1, pixel_values=images).logits[:, -words.shape[1] :]
        return logits

    return Tiny(model, run)


def vilt() -> Tiny:
    """Words and patches as one sequence, a pooler with a tanh, and answers."""
    text = {key: value for key, value in TEXT.items() if not key.endswith("token_id")}
    model = transformers.ViltForQuestionAnswering(transformers.ViltConfig(**{**VISION, **text, "num_labels": V}))

    def run(images: Tensor, words: Tensor) -> Tensor:
        logits: Tensor = model(inputs_embeds=words * 1, pixel_values=images).logits.unsqueeze(1)
        return logits

    return Tiny(model, run)


TINY: dict[str, Callable[[], Tiny]] = {
    "blip": blip,
    "vit_gpt2": vit_gpt2,
    "vit_gpt2_eager": lambda: vit_gpt2("eager"),
    "git": git,
    "vilt": vilt,
}


def built(name: str, constants: bool = True) -> Tiny:
    """In float64 and evaluation mode, with random weights; without `constants`, nothing is added that no input has."""
    torch.manual_seed(0)
    tiny = TINY[name]()
    tiny.model.double().eval()
    for parameter_name, parameter in tiny.model.named_parameters():
        if not constants and any(part in parameter_name for part in CONSTANTS):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=0.3)
    return tiny


def inputs() -> tuple[Tensor, Tensor]:
    """Pixels (B, 3, 8, 8) and words (B, S, E), leaves."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(B, 3, SIDE, SIDE, dtype=torch.float64, generator=generator)
    words = torch.randn(B, S, E, dtype=torch.float64, generator=generator)
    return images.requires_grad_(), words.requires_grad_()
