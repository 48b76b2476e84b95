"""The families of models of transformers that can be explained, and the adapter of each."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from whysaid.errors import UserError

ADAPTERS = {
    "Blip2ForConditionalGeneration": "blip2.Blip2",
    "BlipForConditionalGeneration": "blip.Blip",
    "BlipForQuestionAnswering": "blip_vqa.BlipVQA",
    "Florence2ForConditionalGeneration": "florence2.Florence2",
    "GitForCausalLM": "git.Git",
    "Idefics3ForConditionalGeneration": "idefics3.Idefics3",
    "LlavaOnevisionForConditionalGeneration": "llava_onevision.LlavaOnevision",
    "LlavaForConditionalGeneration": "llava.Llava",
    "PaliGemmaForConditionalGeneration": "paligemma.PaliGemma",
    "Qwen2VLForConditionalGeneration": "qwen2_vl.Qwen2VL",
    "Qwen2_5_VLForConditionalGeneration": "qwen2_vl.Qwen2VL",
    "SmolVLMForConditionalGeneration": "idefics3.Idefics3",
    "ViltForQuestionAnswering": "vilt.Vilt",
    "VisionEncoderDecoderModel": "encoder_decoder.EncoderDecoder",
}
"""Class of transformers → module and class of this package."""

READS_AND_WRITES = "blip2_t5.Blip2T5"
"""That of a BLIP-2 whose language model is an encoder and a decoder."""


def architecture(config: Mapping[str, Any], name: str) -> str:
    """The class of transformers that a configuration is of.

    Args:
        config: the contents of a config.json.
        name: of the model, for messages.

    Raises:
        UserError: it is of no family, or of a text model.
    """
    classes = config.get("architectures") or []
    known = [str(c) for c in classes if c in ADAPTERS]
    if known:
        return known[0]
    kind = str(classes[0]) if classes else str(config.get("model_type", "no model"))
    listed = ", ".join(sorted(known.removesuffix("ForConditionalGeneration") for known in ADAPTERS))
    if not any(key.startswith(("vision", "encoder", "image", "mm_")) for key in config):
        raise UserError(f"{name} is a {kind}, a text model that sees no photos: give a model of {listed}")
    raise UserError(f"{name} is a {kind}, a family that cannot be explained: give a model of {listed}")


def adapter(architecture: str, config: Any) -> Any:
    """The adapter of a class of transformers; that of BLIP-2 depends on its language model."""
    decodes_alone = getattr(config, "use_decoder_only_language_model", True)
    module, _, name = (ADAPTERS[architecture] if decodes_alone else READS_AND_WRITES).partition(".")
    return getattr(import_module(f"whysaid.models.transformers.{module}"), name)
