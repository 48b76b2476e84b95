"""Which tokens of a model of transformers begin, end and fill what it writes."""

from typing import Any


def writing_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The model's ids for `<pad> <start> <end> <unk>`, by its generation's configuration, its own and the tokenizer's.

    Args:
        model: that writes, as `generate` would.
        tokenizer: its tokenizer.
    """
    text = model.config.get_text_config(decoder=True)
    sources = (model.generation_config, model.config, text, tokenizer)
    start = _first(sources, "decoder_start_token_id", "bos_token_id", "cls_token_id")
    end = _first(sources, "eos_token_id", "sep_token_id")
    return with_start_and_end(tokenizer, start, end)


def reading_tokens(tokenizer: Any) -> list[int]:
    """The same of a model that only reads: its text is between `<start>` and `<end>`."""
    start = _first((tokenizer,), "cls_token_id", "bos_token_id")
    return with_start_and_end(tokenizer, start, _first((tokenizer,), "sep_token_id", "eos_token_id"))


def with_start_and_end(tokenizer: Any, start: int, end: int) -> list[int]:
    """The same of a model with the given `<start>` and `<end>`."""
    pad, unknown = tokenizer.pad_token_id, tokenizer.unk_token_id
    return [end if pad is None else pad, start, end, end if unknown is None else unknown]


def _first(sources: tuple[Any, ...], *names: str) -> int:
    """The first of several names that any source has a value for; of several ids, the first."""
    values = (getattr(source, name, None) for name in names for source in sources)
    value = next(value for value in values if value is not None)
    return int(value[0]) if isinstance(value, list | tuple) else int(value)
