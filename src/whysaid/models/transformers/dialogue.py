"""The text that a vision-language model is given: its template of a dialogue, filled with a photo's place and words."""

import json
from pathlib import Path
from typing import Any

from whysaid.errors import UserError

IMAGE, WORDS = "{image}", "{words}"
"""What a template of this project holds where the photo and the words stand."""


def require_one(prompt: str | None, question: str | None) -> None:
    """Raises UserError where a model for which they are the same is given a prompt and a question."""
    if prompt and question:
        raise UserError("a prompt and a question are the same to this model: give prompt= or question=, not both")


def own_template(folder: Path, tokenizer: Any) -> str | None:
    """The template in Jinja that a folder has for its model; older folders keep it in a file of its own."""
    if isinstance(tokenizer.chat_template, str):
        return tokenizer.chat_template
    path = folder / "chat_template.json"
    if not path.exists():
        return None
    template = json.loads(path.read_text(encoding="utf-8")).get("chat_template")
    return template if isinstance(template, str) else None


def dialogue(tokenizer: Any, words: str, image: str, template: str) -> list[int]:
    """The model's ids of a dialogue in which a user shows a photo and says something; the answer comes next.

    Args:
        tokenizer: of transformers, with a template of its own or without.
        words: of the user.
        image: the one token that stands for the photo.
        template: where the tokenizer has none, text with `{image}` and `{words}` in it.
    """
    if tokenizer.chat_template is None:
        text = template.replace(IMAGE, image).replace(WORDS, words)
    else:
        content = [{"type": "image"}, {"type": "text", "text": words}]
        said = [{"role": "user", "content": content}]
        text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    begun = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
    ids: list[int] = tokenizer(text, add_special_tokens=not begun).input_ids
    return ids
