"""What tiny vision-language models have in common: tokenizer, template, language model, and how they are saved."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.models.transformers.tiny import jolted, transformer

TEMPLATE = (
    "<s>{% for message in messages %}{{ message['role'] | upper }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)
"""A dialogue of a user who shows an image and says something, in Jinja."""


def dialogue_tokenizer(*marks: str, image: str = "<image>", named: bool = True) -> Any:
    """Byte pairs, with marks for a beginning, an end, padding and an `image`, `named` as such, and other `marks`."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<unk>", image, *marks]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["a dog is sitting on the table", "describe the image and the cat"] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": image} if named else {},
    )


def text(tokenizer: Any) -> dict[str, Any]:
    """The configuration of a language model."""
    return {
        **transformer(16),
        "num_key_value_heads": 1,
        "head_dim": 8,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 200,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def save(model: Any, processor: Any, folder: Path, words: float = 1.0, tokenizer: Any = None) -> None:
    """Writes all of a model, its weights large enough for answers that differ from photo to photo.

    Args:
        model: of transformers.
        processor: its own.
        folder: where to.
        words: by what the embedding of words is multiplied, so that they do not outshine the image.
        tokenizer: of a model whose processor has none.
    """
    tokenizer = tokenizer or processor.tokenizer
    jolted(model)
    model.get_input_embeddings().weight.data *= words
    for setting in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(model.generation_config, setting, getattr(tokenizer, setting))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def doubled(inputs: Any) -> dict[str, Any]:
    """A processor's inputs for a model in float64."""
    return {
        name: value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
    }
