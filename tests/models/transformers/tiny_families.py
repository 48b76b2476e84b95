"""Tiny vision-language models with random weights, saved to folders as their users save them: processor and all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import processors

from tests.models.transformers.tiny import PATCH, SIDE, transformer, vision
from tests.models.transformers.tiny_dialogue import TEMPLATE, dialogue_tokenizer, save, text


def save_llava(folder: Path) -> None:
    """Its processor crops the middle of a photo."""
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = dialogue_tokenizer()
    config = LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **vision(12), "projection_dim": 12},
        text_config={"model_type": "llama", **text(tokenizer)},
        image_token_id=tokenizer.image_token_id,
    )
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    save(LlavaForConditionalGeneration(config), processor, folder)


def save_llava_onevision(folder: Path) -> None:
    """Its processor lays a photo on up to 2 × 3 tiles, and two tiles' tokens are read of these."""
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    tokenizer = dialogue_tokenizer("<video>")
    places = [[SIDE * rows, SIDE * columns] for rows in (1, 2) for columns in (1, 2, 3)]
    config = LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", **vision(12), "vision_use_head": False},
        text_config={"model_type": "qwen2", **text(tokenizer)},
        image_token_id=tokenizer.image_token_id,
        video_token_id=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=places,
        vision_aspect_ratio="anyres_max_2",
    )
    size = {"height": SIDE, "width": SIDE}
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=places),
        tokenizer,
        LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=(SIDE // PATCH) ** 2,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_2",
        chat_template=TEMPLATE,
    )
    save(LlavaOnevisionForConditionalGeneration(config), processor, folder)


def save_paligemma(folder: Path) -> None:
    """Its prompt has no template of a dialogue."""
    from transformers import (
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
        SiglipImageProcessor,
    )

    tokenizer = dialogue_tokenizer()
    config = PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", **vision(12), "vision_use_head": False},
        text_config={"model_type": "gemma", **text(tokenizer)},
        image_token_id=tokenizer.image_token_id,
        projection_dim=16,
    )
    images = SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    images.image_seq_length = (SIDE // PATCH) ** 2
    save(PaliGemmaForConditionalGeneration(config), PaliGemmaProcessor(images, tokenizer), folder, 0.2)


IDEFICS = "<s>" + TEMPLATE[3:].replace("<image>\n", "<image>").replace("ASSISTANT:", "<end_of_utterance>\nAssistant:")


def idefics_marks() -> tuple[str, ...]:
    """What Idefics3 and SmolVLM have between the tiles of a photo."""
    tiles = (f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))
    return ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *tiles)


def save_idefics3(folder: Path) -> None:
    """Its processor makes the longer side two tiles."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessor, Idefics3Processor

    tokenizer = dialogue_tokenizer(*idefics_marks())
    config = Idefics3Config(
        vision_config=vision(12),
        text_config={"model_type": "llama", **text(tokenizer)},
        image_token_id=tokenizer.image_token_id,
        scale_factor=2,
        pad_token_id=0,
    )
    images = Idefics3ImageProcessor(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE})
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=IDEFICS)
    save(Idefics3ForConditionalGeneration(config), processor, folder)


def save_smolvlm(folder: Path) -> None:
    """The same, without a processor of text, which asks for another package."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMImageProcessor

    tokenizer = dialogue_tokenizer(*idefics_marks())
    tokenizer.chat_template = IDEFICS
    config = SmolVLMConfig(
        vision_config=vision(12),
        text_config={"model_type": "llama", **text(tokenizer)},
        image_token_id=tokenizer.image_token_id,
        scale_factor=2,
        pad_token_id=0,
    )
    model = SmolVLMForConditionalGeneration(config)
    images = SmolVLMImageProcessor(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE})
    save(model, images, folder, tokenizer=tokenizer)


def _qwen(tokenizer: Any, **vision_settings: Any) -> dict[str, Any]:
    """The configuration of a Qwen2-VL: patches of 4 pixels, 2 × 2 of them one token."""
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    sizes = {"depth": 2, "num_heads": 2, "patch_size": PATCH, "spatial_merge_size": 2, "temporal_patch_size": 2}
    return {
        "text_config": {**text(tokenizer), "rope_parameters": rope},
        "vision_config": {**sizes, **vision_settings},
        "image_token_id": tokenizer.image_token_id,
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
    }


def _qwen_processor(tokenizer: Any) -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    sizes = {"patch_size": PATCH, "merge_size": 2, "size": {"shortest_edge": 64, "longest_edge": 1024}}
    template = TEMPLATE.replace("<image>\n", "<|vision_start|><|image_pad|><|vision_end|>")
    images, videos = Qwen2VLImageProcessor(**sizes), Qwen2VLVideoProcessor(**sizes)
    return Qwen2VLProcessor(images, tokenizer, videos, chat_template=template)


QWEN = ("<|vision_start|>", "<|vision_end|>", "<|video_pad|>")


def save_qwen2_vl(folder: Path) -> None:
    """It takes photos of any shape."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tokenizer = dialogue_tokenizer(*QWEN, image="<|image_pad|>")
    config = Qwen2VLConfig(**_qwen(tokenizer, embed_dim=16, hidden_size=16, mlp_ratio=2))
    save(Qwen2VLForConditionalGeneration(config), _qwen_processor(tokenizer), folder)


def save_qwen2_5_vl(folder: Path) -> None:
    """The same with windows of 2 × 2 tokens."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = dialogue_tokenizer(*QWEN, image="<|image_pad|>")
    sizes = {"hidden_size": 16, "intermediate_size": 24, "out_hidden_size": 16, "window_size": 16}
    config = Qwen2_5_VLConfig(**_qwen(tokenizer, **sizes, fullatt_block_indexes=[1]))
    save(Qwen2_5_VLForConditionalGeneration(config), _qwen_processor(tokenizer), folder)


def save_blip2(folder: Path) -> None:
    """Three queries look at the image, and an OPT reads what they found."""
    tokenizer = dialogue_tokenizer(named=False)
    sizes = {"ffn_dim": 24, "word_embed_proj_dim": 16, "do_layer_norm_before": True}
    _save_blip2({"model_type": "opt", **text(tokenizer), **sizes}, tokenizer, folder)


def save_blip2_t5(folder: Path) -> None:
    """The same with a T5 as published ones have it: its feed-forward layers are gated, and its prompt is marked."""
    tokenizer = dialogue_tokenizer(named=False)
    end = (tokenizer.eos_token, tokenizer.eos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end[0]}", special_tokens=[end]
    )
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "feed_forward_proj": "gated-gelu"}
    marks = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": tokenizer.eos_token_id}
    language = {"vocab_size": len(tokenizer), "tie_word_embeddings": False, **sizes, **marks}
    _save_blip2({"model_type": "t5", **language}, tokenizer, folder)


def _save_blip2(language: dict[str, Any], tokenizer: Any, folder: Path) -> None:
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor

    config = Blip2Config(
        vision_config=vision(12),
        qformer_config={**transformer(12), "encoder_hidden_size": 12, "cross_attention_frequency": 1},
        text_config=language,
        num_query_tokens=3,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = Blip2Processor(BlipImageProcessor(size={"height": SIDE, "width": SIDE}), tokenizer, num_query_tokens=3)
    model = Blip2ForConditionalGeneration(config)
    save(model, processor, folder)


def save_florence2(folder: Path) -> None:
    """Two stages of convolutions and attention, and a BART that begins every caption with the same word."""
    from transformers import CLIPImageProcessor, Florence2Config, Florence2ForConditionalGeneration, Florence2Processor

    tokenizer = dialogue_tokenizer()
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "d_model": 16}
    config = Florence2Config(
        vision_config={
            "depths": (1, 1),
            "patch_size": (3, 3),
            "patch_stride": (2, 2),
            "patch_padding": (1, 1),
            "patch_prenorm": (False, True),
            "embed_dim": (8, 12),
            "num_heads": (2, 2),
            "num_groups": (2, 2),
            "window_size": 2,
            "projection_dim": 16,
        },
        text_config={
            **sizes,
            **heads,
            **{name: value for name, value in text(tokenizer).items() if "id" in name or name == "vocab_size"},
            "decoder_start_token_id": tokenizer.eos_token_id,
            "max_position_embeddings": 60,
            "forced_eos_token_id": None,
        },
        image_token_id=tokenizer.image_token_id,
    )
    model = Florence2ForConditionalGeneration(config)
    model.generation_config.decoder_start_token_id = tokenizer.eos_token_id
    model.generation_config.forced_bos_token_id = tokenizer.bos_token_id
    model.generation_config.forced_eos_token_id = None
    images = CLIPImageProcessor(size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    images.image_seq_length = (SIDE // PATCH) ** 2 + 1
    save(model, Florence2Processor(images, tokenizer), folder)


DIALOGUES: dict[str, Callable[[Path], None]] = {
    "blip2": save_blip2,
    "blip2_t5": save_blip2_t5,
    "florence2": save_florence2,
    "idefics3": save_idefics3,
    "llava": save_llava,
    "llava_onevision": save_llava_onevision,
    "paligemma": save_paligemma,
    "qwen2_5_vl": save_qwen2_5_vl,
    "qwen2_vl": save_qwen2_vl,
    "smolvlm": save_smolvlm,
}
"""Family → what saves a tiny model of it."""
