"""Tiny models of transformers with random weights, saved to folders as their users save them: tokenizer and all."""

from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

SIDE, PATCH = 16, 4
"""Pixels of an image and of a patch."""

WORDS = [
    *("a", "an", "the", "dog", "cat", "man", "ball", "house", "red", "blue", "on", "in", "with", "sitting", "is"),
    *("what", "color", "how", "many", "two", "yes", "no", "walk", "play", "##s", "##ing", "##er", "?", ".", ","),
]

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]

ANSWERS = ["yes", "no", "2", "red", "blue", "dog", "on table"]


def word_piece() -> object:
    """A BERT tokenizer that cuts `walking` into `walk ##ing`."""
    from transformers import BertTokenizer

    return BertTokenizer(vocab={token: i for i, token in enumerate([*MARKS, *WORDS])}, bos_token="[DEC]")


def byte_pairs() -> object:
    """A GPT-2 tokenizer, whose one mark begins, ends and fills."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    mark = "<|endoftext|>"
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=[mark], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["a dog is sitting on the table", "the cat is playing with a ball"] * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=mark, eos_token=mark, unk_token=mark)


def transformer(width: int) -> dict[str, int]:
    """Sizes that many configurations have in common."""
    return {"hidden_size": width, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}


def vision(width: int) -> dict[str, int]:
    """The same of a vision transformer."""
    return {**transformer(width), "image_size": SIDE, "patch_size": PATCH}


def jolted(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model with weights large enough for captions that differ from photo to photo."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.35, generator=generator)
        elif name.endswith("bias"):
            parameter.data.normal_(0, 0.1, generator=generator)
    return model


def save_blip(folder: Path) -> None:
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    tokenizer = word_piece()
    config = BlipConfig(text_config=_blip_text(tokenizer, 12), vision_config=vision(12))
    model = jolted(BlipForConditionalGeneration(config))
    model.text_decoder.cls.predictions.bias.data[tokenizer.sep_token_id] += 2
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": SIDE, "width": SIDE}), tokenizer).save_pretrained(folder)


def save_blip_vqa(folder: Path) -> None:
    from transformers import BlipConfig, BlipForQuestionAnswering, BlipImageProcessor, BlipProcessor

    tokenizer = word_piece()
    config = BlipConfig(text_config=_blip_text(tokenizer, 16), vision_config=vision(16))
    model = jolted(BlipForQuestionAnswering(config))
    model.text_decoder.cls.predictions.bias.data[tokenizer.sep_token_id] += 2
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": SIDE, "width": SIDE}), tokenizer).save_pretrained(folder)


def _blip_text(tokenizer: object, vision_width: int) -> dict[str, int]:
    """Two rows more than the tokenizer has tokens, and an end that is not the one it writes, as published."""
    return {
        **transformer(16),
        "vocab_size": len(tokenizer) + 2,  # type: ignore[arg-type]
        "encoder_hidden_size": vision_width,
        "max_position_embeddings": 40,
        "bos_token_id": tokenizer.bos_token_id,  # type: ignore[attr-defined]
        "sep_token_id": tokenizer.sep_token_id,  # type: ignore[attr-defined]
        "eos_token_id": 2,
        "pad_token_id": 0,
    }


def save_git(folder: Path) -> None:
    """Its processor crops the middle of a photo."""
    from transformers import CLIPImageProcessor, GitConfig, GitForCausalLM, GitProcessor

    tokenizer = word_piece()
    config = GitConfig(
        vision_config=vision(12),
        vocab_size=len(tokenizer),
        max_position_embeddings=40,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=0,
        **transformer(16),
    )
    model = jolted(GitForCausalLM(config))
    model.output.bias.data[tokenizer.sep_token_id] += 1
    model.save_pretrained(folder)
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    GitProcessor(processor, tokenizer).save_pretrained(folder)


def save_vit_gpt2(folder: Path) -> None:
    from transformers import (
        GPT2Config,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessor,
    )

    tokenizer = byte_pairs()
    decoder = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=40)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**vision(12)), decoder)
    model = jolted(VisionEncoderDecoderModel(config=config))
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id = settings.eos_token_id = settings.pad_token_id = 0
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_vilt(folder: Path) -> None:
    """Its processor keeps the shape of a photo."""
    from transformers import ViltConfig, ViltForQuestionAnswering, ViltImageProcessor, ViltProcessor

    tokenizer = word_piece()
    config = ViltConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=16,
        num_labels=len(ANSWERS),
        id2label=dict(enumerate(ANSWERS)),
        label2id={answer: i for i, answer in enumerate(ANSWERS)},
        **vision(16),
    )
    jolted(ViltForQuestionAnswering(config)).save_pretrained(folder)
    processor = ViltImageProcessor(size={"shortest_edge": SIDE}, size_divisor=PATCH)
    ViltProcessor(processor, tokenizer).save_pretrained(folder)


SAVE: dict[str, Callable[[Path], None]] = {
    "blip": save_blip,
    "git": save_git,
    "vit_gpt2": save_vit_gpt2,
    "vilt": save_vilt,
    "blip_vqa": save_blip_vqa,
}
"""Family → what saves a tiny model of it."""

WRITING = ("blip", "git", "vit_gpt2")
"""The captioners among them."""


def photos(number: int = 4, height: int = SIDE, width: int = SIDE) -> Tensor:
    """Pixels (number, 3, height, width) as a processor makes them, in float64."""
    return torch.randn(number, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
