"""Captioners of transformers under the contract: what they write is what `generate` writes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.models.transformers.tiny import WRITING, photos
from whysaid.data.vocabulary import END, PAD, START
from whysaid.decoding.beam import Beam
from whysaid.decoding.decoder import Decoder
from whysaid.decoding.greedy import Greedy
from whysaid.decoding.length_penalty import Average
from whysaid.models.transformers.load import Pretrained
from whysaid.models.transformers.pretrained import PretrainedCaptioner

LENGTH = 12

DECODING: dict[str, tuple[Decoder, dict[str, float]]] = {
    "greedy": (Greedy(max_length=LENGTH), {"num_beams": 1}),
    "beam": (Beam(3, max_length=LENGTH, captions=1), {"num_beams": 3, "length_penalty": 0.0}),
    "beam_average": (Beam(3, Average(), LENGTH, captions=1), {"num_beams": 3, "length_penalty": 1.0}),
}
"""Ours, and the same as arguments of `generate`."""

Load = Callable[[str], Pretrained]


@pytest.fixture(params=WRITING)
def captioner(request: pytest.FixtureRequest, loaded: Load) -> PretrainedCaptioner:
    model = loaded(request.param).model
    assert isinstance(model, PretrainedCaptioner)
    return model


def until_end(tokens: Tensor, end: int) -> list[list[int]]:
    """Each caption with its end, and without what fills it up."""
    rows = tokens.tolist()
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


@torch.no_grad()
def generated(captioner: PretrainedCaptioner, images: Tensor, arguments: dict[str, float]) -> list[list[int]]:
    """What transformers itself writes; marks that begin and fill are never said, by ours neither."""
    pad, start, end, _ = captioner.token_ids[:4].tolist()
    unsaid = [mark for mark in (pad, start) if mark != end]
    tokens = captioner.pretrained.generate(
        pixel_values=images, do_sample=False, max_new_tokens=LENGTH, suppress_tokens=unsaid or None, **arguments
    )
    return until_end(tokens[:, 1:], end)


@pytest.mark.parametrize("decoding", DECODING)
def test_every_decoding_writes_what_generate_writes(captioner: PretrainedCaptioner, decoding: str) -> None:
    decoder, arguments = DECODING[decoding]
    images = photos(6)
    with torch.no_grad():
        decoded = decoder(captioner, captioner.encode(images))
    ours = until_end(captioner.token_ids[decoded.tokens[:, 0]], int(captioner.token_ids[END]))
    assert ours == generated(captioner, images, arguments)
    assert len({tuple(caption) for caption in ours}) > 1, "captions do not depend on the photo: the test is blind"


def inputs(captioner: PretrainedCaptioner, rows: int, length: int = 6) -> Tensor:
    """Random captions (rows, length), `<start>` first."""
    tokens = torch.randint(4, len(captioner.token_ids), (rows, length), generator=torch.Generator().manual_seed(2))
    tokens[:, 0] = START
    return tokens


@torch.no_grad()
def test_step_after_step_is_the_unrolled_pass(captioner: PretrainedCaptioner) -> None:
    features, tokens = captioner.encode(photos(2)), inputs(captioner, 4)
    unrolled = captioner.unroll(tokens, features)
    state = tuple((k.repeat_interleave(2, 0), v.repeat_interleave(2, 0)) for k, v in captioner.start(features))
    kept = [(keys.clone(), values.clone()) for keys, values in state]
    first = state
    for t in range(tokens.shape[1]):
        step = captioner.step(tokens[:, t], state, features)
        state = step.state
        torch.testing.assert_close(step.logits, unrolled.logits[:, t], atol=1e-10, rtol=0)
        torch.testing.assert_close(step.attention, unrolled.attention[:, t])
    for (keys, values), (old_keys, old_values) in zip(first, kept, strict=True):
        assert torch.equal(keys, old_keys) and torch.equal(values, old_values), "a step changed the state it was given"


@torch.no_grad()
def test_a_batch_is_its_single_rows_padding_included(captioner: PretrainedCaptioner) -> None:
    images, tokens = photos(3), inputs(captioner, 3)
    tokens[1, 3:] = PAD
    together = captioner.unroll(tokens, captioner.encode(images))
    for row, length in enumerate((6, 3, 6)):
        alone = captioner.unroll(tokens[row : row + 1, :length], captioner.encode(images[row : row + 1]))
        torch.testing.assert_close(together.logits[row, :length], alone.logits[0], atol=1e-10, rtol=0)


@torch.no_grad()
def test_logits_are_those_of_transformers(captioner: PretrainedCaptioner) -> None:
    images, tokens = photos(2), inputs(captioner, 2)
    names = "decoder_input_ids" if hasattr(captioner.pretrained, "encoder") else "input_ids"
    theirs = captioner.pretrained(pixel_values=images, **{names: captioner.token_ids[tokens]}).logits
    ours = captioner.unroll(tokens, captioner.encode(images)).logits
    said = torch.tensor([i for i in range(ours.shape[2]) if captioner.penalty[i] == 0])
    expected = theirs[:, -tokens.shape[1] :][..., captioner.token_ids[said]]
    torch.testing.assert_close(ours[..., said], expected, atol=1e-10, rtol=0)
    assert torch.equal(captioner.token_ids[said].sort().values, torch.arange(theirs.shape[2]))


@torch.no_grad()
def test_attention_lies_on_the_image_and_the_rest_on_words(captioner: PretrainedCaptioner) -> None:
    unrolled = captioner.unroll(inputs(captioner, 2), captioner.encode(photos(2)))
    total = unrolled.attention.sum(-1)
    if unrolled.sentinel is not None:
        assert ((unrolled.sentinel > 0) & (unrolled.sentinel < 1)).all()
        total = total + unrolled.sentinel
    torch.testing.assert_close(total, torch.ones_like(total))
    assert unrolled.attention.shape[2] == 4 * 4 + captioner.encoder.prefix_tokens == 17


@torch.no_grad()
def test_a_prompt_is_read_before_the_first_word(captioner: PretrainedCaptioner) -> None:
    prompted = captioner.with_prompt(torch.tensor([[5, 9]]))
    features, tokens = prompted.encode(photos(2)), inputs(captioner, 2)
    read = torch.cat([torch.tensor([[5, 9]]).expand(2, -1), tokens], 1)
    unrolled = captioner.unroll(read, features).logits[:, 2:]
    state = prompted.start(features)
    for t in range(tokens.shape[1]):
        step = prompted.step(tokens[:, t], state, features)
        state = step.state
        torch.testing.assert_close(step.logits, unrolled[:, t], atol=1e-10, rtol=0)
    assert captioner.prompt.shape == (1, 0), "the captioner itself has no prompt"
