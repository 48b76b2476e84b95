"""Vision-language models under the contract: what they write is what `generate` writes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.models.transformers.test_captioners import DECODING, LENGTH, until_end
from tests.models.transformers.tiny_dialogue import doubled
from tests.models.transformers.tiny_families import DIALOGUES
from whysaid.data.vocabulary import END, PAD, START
from whysaid.models.transformers.idefics3 import MarkedTiles
from whysaid.models.transformers.load import Pretrained
from whysaid.models.transformers.pretrained import PretrainedCaptioner

Load = Callable[[str], Pretrained]
Folder = Callable[[str], Path]

PROMPT = "what is the dog on ?"
SIZES = ((16, 16), (40, 24), (24, 48), (96, 20), (60, 36))
"""Widths and heights of photos."""

BEGUN = {"florence2": 2, "blip2_t5": 1}
"""Family → what its decoder reads before it writes: <start>, and a word that is forced."""

CLOSE = 1e-5
"""RMSNorm and rotary positions compute in float32 whatever the model's numbers are."""


def photos() -> Iterator[Image.Image]:
    """Photos of coloured blocks."""
    for seed, (width, height) in enumerate(SIZES):
        colours = np.random.default_rng(seed).integers(0, 255, (height // 4, width // 4, 3), dtype=np.uint8)
        yield Image.fromarray(colours.repeat(4, 0).repeat(4, 1))


@pytest.fixture(params=DIALOGUES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def asked(family: str, loaded: Load) -> PretrainedCaptioner:
    model = loaded(family).model
    assert isinstance(model, PretrainedCaptioner)
    return model.asked(loaded(family).vocabulary, prompt=PROMPT)


def theirs(folder: Path, photo: Image.Image) -> dict[str, Any]:
    """What the model's own processor makes of a photo and the prompt."""
    import transformers

    if folder.name == "smolvlm":  # whose own asks for another package, and writes the same
        images, tokenizer = transformers.AutoImageProcessor, transformers.AutoTokenizer
        parts = images.from_pretrained(folder), tokenizer.from_pretrained(folder)
        processor = transformers.Idefics3Processor(*parts, image_seq_len=4, chat_template=parts[1].chat_template)
    else:
        processor = transformers.AutoProcessor.from_pretrained(folder)
    if processor.chat_template is None:
        text = "<image>" + PROMPT if folder.name == "paligemma" else PROMPT
    else:
        content = [{"type": "image"}, {"type": "text", "text": PROMPT}]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    marked = not text.startswith("<s>") and folder.name != "florence2"
    return doubled(processor(images=photo, text=text, return_tensors="pt", add_special_tokens=marked))


def seen(model: PretrainedCaptioner, photo: Image.Image) -> Tensor:
    return model.encoder.preprocessing(photo).unsqueeze(0).double()


@torch.no_grad()
@pytest.mark.parametrize("decoding", DECODING)
def test_every_decoding_writes_what_generate_writes(
    asked: PretrainedCaptioner, hub_folder: Folder, family: str, decoding: str
) -> None:
    decoder, arguments = DECODING[decoding]
    end = int(asked.token_ids[END])
    unsaid = asked.token_ids[[PAD]].tolist()
    written = set()
    for photo in photos():
        ours = until_end(asked.token_ids[decoder(asked, asked.encode(seen(asked, photo))).tokens[:, 0]], end)
        inputs = theirs(hub_folder(family), photo)
        begun = BEGUN.get(family, inputs["input_ids"].shape[1])
        length = LENGTH + (family == "florence2")
        tokens = asked.pretrained.generate(
            **inputs, do_sample=False, max_new_tokens=length, suppress_tokens=unsaid, **arguments
        )
        assert ours == until_end(tokens[:, begun:], end)
        written.add(tuple(ours[0]))
    assert len(written) > 1, "answers do not depend on the photo: the test is blind"


def words(model: PretrainedCaptioner, rows: int, length: int = 5) -> Tensor:
    """Random answers (rows, length), `<start>` first."""
    tokens = torch.randint(4, len(model.token_ids) - 1, (rows, length), generator=torch.Generator().manual_seed(2))
    tokens[:, 0] = START
    return tokens


def read(model: PretrainedCaptioner, tokens: Tensor) -> Tensor:
    """The prompt, and answers behind it."""
    return torch.cat([model.prompt.expand(len(tokens), -1), tokens], 1)


@torch.no_grad()
def test_logits_and_attention_are_those_of_transformers(
    asked: PretrainedCaptioner, hub_folder: Folder, family: str
) -> None:
    photo = list(photos())[1]
    inputs = theirs(hub_folder(family), photo)
    if family in BEGUN:
        before = [asked.token_ids[-1], asked.token_ids[START]]
        inputs["decoder_input_ids"] = torch.stack(before[-BEGUN[family] :])[None]
    there = asked.pretrained(**inputs, output_attentions=True)
    features = asked.encode(seen(asked, photo))
    ours = asked.unroll(read(asked, torch.tensor([[START]])), features)
    said = torch.tensor([i for i in range(ours.logits.shape[2]) if asked.penalty[i] == 0])
    torch.testing.assert_close(
        ours.logits[0, -1, said], there.logits[0, -1, asked.token_ids[said]], atol=CLOSE, rtol=CLOSE
    )
    image = inputs["input_ids"][0] == asked.pretrained.config.image_token_id
    assert ours.sentinel is not None
    torch.testing.assert_close(ours.attention[0, -1].sum() + ours.sentinel[0, -1], torch.tensor(1.0).double())
    if family.startswith("blip2"):  # whose words look at queries
        return
    layers = there.cross_attentions if family == "florence2" else there.attentions
    attention = torch.stack([layer[0].mean(0) for layer in layers]).mean(0)[-1, : len(image)].double()
    assert image.sum() <= features.regions.shape[1] == ours.attention.shape[2]
    shown = torch.ones(ours.attention.shape[2], dtype=torch.bool)
    if isinstance(asked.encoder, MarkedTiles):
        shown = asked.encoder.cells(*seen(asked, photo).shape[2:]) >= 0
    torch.testing.assert_close(ours.attention[0, -1, shown], attention[image], atol=CLOSE, rtol=CLOSE)


@torch.no_grad()
def test_step_after_step_is_the_unrolled_pass(asked: PretrainedCaptioner) -> None:
    features, tokens = asked.encode(seen(asked, list(photos())[2])), words(asked, 2)
    unrolled = asked.unroll(read(asked, tokens), features)
    state = tuple((k.repeat_interleave(2, 0), v.repeat_interleave(2, 0)) for k, v in asked.start(features))
    for t in range(tokens.shape[1]):
        step = asked.step(tokens[:, t], state, features)
        state = step.state
        behind = asked.prompt.shape[1] + t
        torch.testing.assert_close(step.logits, unrolled.logits[:, behind], atol=CLOSE, rtol=CLOSE)
        torch.testing.assert_close(step.attention, unrolled.attention[:, behind], atol=CLOSE, rtol=CLOSE)


@torch.no_grad()
def test_a_batch_is_its_single_rows_padding_included(asked: PretrainedCaptioner, family: str, loaded: Load) -> None:
    """Prompts of two lengths, and answers of two."""
    pretrained, images = loaded(family), seen(asked, next(photos())).repeat(2, 1, 1, 1)
    images[1] = images[1].flip(-1)
    other = pretrained.model.asked(pretrained.vocabulary, prompt="is it ?")  # type: ignore[operator]
    assert other.token_ids[START] == asked.token_ids[START]
    prompts = torch.nn.utils.rnn.pad_sequence([asked.prompt[0], other.prompt[0]], batch_first=True, padding_value=PAD)
    both, answers = asked.with_prompt(prompts), words(asked, 2)
    assert (prompts == PAD).any()
    features = both.encode(images)
    unrolled = both.unroll(torch.cat([prompts, answers], 1), features).logits
    state, steps = both.start(features), []
    for t in range(answers.shape[1]):
        step = both.step(answers[:, t], state, features)
        state = step.state
        steps.append(step.logits)
    stepped = torch.stack(steps, 1)
    torch.testing.assert_close(stepped, unrolled[:, prompts.shape[1] :], atol=CLOSE, rtol=CLOSE)
    for row, single in enumerate((asked, other)):
        alone = single.unroll(read(single, answers[row : row + 1]), single.encode(images[row : row + 1]))
        torch.testing.assert_close(stepped[row], alone.logits[0, single.prompt.shape[1] :], atol=CLOSE, rtol=CLOSE)


def test_a_model_that_was_asked_may_be_asked_anew(asked: PretrainedCaptioner, family: str, loaded: Load) -> None:
    pretrained = loaded(family)
    other = asked.asked(pretrained.vocabulary, prompt="is it ?")  # type: ignore[call-arg]
    fresh = pretrained.model.asked(pretrained.vocabulary, prompt="is it ?")  # type: ignore[operator]
    for name in ("prompt", "token_ids", "penalty"):
        assert torch.equal(getattr(other, name), getattr(fresh, name)), name
    assert not torch.equal(other.prompt, asked.prompt)
