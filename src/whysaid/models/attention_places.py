"""Which tokens each attention map of a transformer is between.

R regions, S words read, Q queries, K keys, L layers.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class AttentionPlaces(NamedTuple):
    """The tokens of one map (…, Q, K), as places in the sequence of the R regions and then the S words.

    Attributes:
        queries: (Q,) int64.
        keys: (K,) int64.
    """

    queries: Tensor
    keys: Tensor

    @property
    def inward(self) -> bool:
        """Whether tokens attend to themselves among others (self-attention), and not to others alone."""
        return bool(torch.isin(self.queries, self.keys).all())


def tokens(regions: int, words: int) -> tuple[Tensor, Tensor]:
    """The places of the R regions, and of the S words."""
    places = torch.arange(regions + words)
    return places[:regions], places[regions:]


def of_cross_attention(number: int, regions: int, words: int) -> list[AttentionPlaces]:
    """Of layers that attend to the words, and then to the regions."""
    image, text = tokens(regions, words)
    return [AttentionPlaces(text, text), AttentionPlaces(text, image)] * (number // 2)


def of_prefix(number: int, regions: int, words: int) -> list[AttentionPlaces]:
    """Of layers that read the image's tokens alone, and of the same layers that read words behind them."""
    image, text = tokens(regions, words)
    reading = AttentionPlaces(text, torch.cat([image, text]))
    return [AttentionPlaces(image, image)] * (number // 2) + [reading] * (number - number // 2)


def of_words_and_regions(number: int, regions: int, words: int) -> list[AttentionPlaces]:
    """Of layers that read the words, and the regions behind them, as one sequence."""
    image, text = tokens(regions, words)
    joint = torch.cat([text, image])
    return [AttentionPlaces(joint, joint)] * number


def of_question_and_answer(number: int, regions: int, words: int, question: int) -> list[AttentionPlaces]:
    """Of layers of which a question attends to the regions, and as many of which its answer attends to the question.

    Args:
        number: of maps.
        regions: R.
        words: S, of question and answer.
        question: of these, the question's.
    """
    image, text = tokens(regions, words)
    asked, said = text[:question], text[question:]
    layers = number // 4
    reading = [AttentionPlaces(asked, asked), AttentionPlaces(asked, image)] * layers
    return reading + [AttentionPlaces(said, said), AttentionPlaces(said, asked)] * layers


def of_words_around_regions(number: int, regions: int, words: int, before: int) -> list[AttentionPlaces]:
    """Of layers that read words with the regions among them as one sequence.

    Args:
        number: of maps.
        regions: R.
        words: S.
        before: of these, those in front of the regions.
    """
    image, text = tokens(regions, words)
    joint = torch.cat([text[:before], image, text[before:]])
    return [AttentionPlaces(joint, joint)] * number


def of_asked_with_image(
    number: int, regions: int, words: int, front: int, asked: int, read: int
) -> list[AttentionPlaces]:
    """Of an encoder that reads regions and a question as one sequence, and of a decoder that attends to all of it.

    Args:
        number: of maps.
        regions: R.
        words: S, of question and answer.
        front: of these, those before the question that the decoder reads.
        asked: of these, up to the end of the question.
        read: layers of the encoder.
    """
    image, text = tokens(regions, words)
    joint, said = torch.cat([image, text[front:asked]]), torch.cat([text[:front], text[asked:]])
    writing = [AttentionPlaces(said, said), AttentionPlaces(said, joint)]
    return [AttentionPlaces(joint, joint)] * read + writing * ((number - read) // 2)
