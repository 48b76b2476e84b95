"""Models of transformers that answer questions, under the contract."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.models.transformers.test_captioners import DECODING, LENGTH, until_end
from tests.models.transformers.tiny import ANSWERS, photos
from whysaid.data.vocabulary import END, PAD, START
from whysaid.models.transformers.blip_vqa import BlipVQA
from whysaid.models.transformers.load import Pretrained
from whysaid.models.transformers.vilt import Vilt

Load = Callable[[str], Pretrained]

QUESTIONS = ("what color is the dog ?", "how many", "is the cat walking on the house")


def padded(pretrained: Pretrained) -> Tensor:
    """The questions as tokens (3, longest)."""
    rows = [torch.tensor(pretrained.vocabulary.question(text)) for text in QUESTIONS]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 24)])
def test_vilt_answers_as_in_transformers(loaded: Load, height: int, width: int) -> None:
    pretrained, images = loaded("vilt"), photos(3, height, width)
    model, tokenizer = pretrained.model, pretrained.vocabulary.tokenizer
    assert isinstance(model, Vilt) and pretrained.labels == tuple(ANSWERS)
    theirs = model.pretrained(
        **tokenizer(list(QUESTIONS), padding=True, return_tensors="pt"),
        pixel_values=images,
        pixel_mask=torch.ones(3, height, width),
    ).logits
    questions, features = padded(pretrained), model.encode(images)
    torch.testing.assert_close(model(questions, features), theirs, atol=1e-10, rtol=0)
    attention = model.read(model.embed(questions), features).attention
    assert model.encoder.on_grid(attention, (height, width)).shape == (3, 1, height // 4, width // 4)


@torch.no_grad()
def test_questions_of_a_batch_are_answered_as_if_alone(loaded: Load) -> None:
    pretrained, images = loaded("vilt"), photos(3)
    model = pretrained.model
    together = model(padded(pretrained), model.encode(images))
    for row, text in enumerate(QUESTIONS):
        tokens = torch.tensor([pretrained.vocabulary.question(text)])
        alone = model(tokens, model.encode(images[row : row + 1]))
        torch.testing.assert_close(together[row], alone[0], atol=1e-10, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("decoding", DECODING)
def test_blip_writes_the_answers_that_generate_writes(loaded: Load, decoding: str) -> None:
    pretrained, images = loaded("blip_vqa"), photos(4)
    model, vocabulary = pretrained.model, pretrained.vocabulary
    assert isinstance(model, BlipVQA)
    decoder, arguments = DECODING[decoding]
    written = set()
    for text in QUESTIONS:
        asked = model.asked(vocabulary, question=text)
        ours = until_end(asked.token_ids[decoder(asked, asked.encode(images)).tokens[:, 0]], int(asked.token_ids[END]))
        question = vocabulary.tokenizer([text] * 4, return_tensors="pt").input_ids
        unsaid = asked.token_ids[[PAD, START]].tolist()
        theirs = model.pretrained.generate(
            question, images, do_sample=False, max_new_tokens=LENGTH, suppress_tokens=unsaid, **arguments
        )
        assert ours == until_end(theirs[:, 1:], int(asked.token_ids[END]))
        written |= {tuple(answer) for answer in ours}
    assert len(written) > 1, "answers do not depend on photo and question: the test is blind"


@torch.no_grad()
def test_answers_step_by_step_are_the_unrolled_pass_and_a_batch_its_single_rows(loaded: Load) -> None:
    pretrained, images = loaded("blip_vqa"), photos(3)
    questions, length = padded(pretrained), padded(pretrained).shape[1]
    model = pretrained.model.with_prompt(questions)  # type: ignore[operator]
    answer = torch.randint(4, len(pretrained.vocabulary) - 1, (3, 4), generator=torch.Generator().manual_seed(5))
    answer[:, 0] = START
    features = model.encode(images)
    unrolled = model.unroll(torch.cat([questions, answer], 1), features)
    torch.testing.assert_close(unrolled.attention.sum(-1), torch.ones_like(unrolled.attention[..., 0]))
    state = model.start(features)
    for t in range(4):
        step = model.step(answer[:, t], state, features)
        state = step.state
        torch.testing.assert_close(step.logits, unrolled.logits[:, length + t], atol=1e-10, rtol=0)
        torch.testing.assert_close(step.attention, unrolled.attention[:, length + t])
    for row, text in enumerate(QUESTIONS):
        alone = pretrained.model.asked(pretrained.vocabulary, question=text)  # type: ignore[operator]
        read = torch.cat([alone.prompt, answer[row : row + 1]], 1)
        single = alone.unroll(read, alone.encode(images[row : row + 1])).logits[0, alone.prompt.shape[1] :]
        torch.testing.assert_close(single, unrolled.logits[row, length:], atol=1e-10, rtol=0)
