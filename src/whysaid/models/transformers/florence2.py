"""Florence-2 as a captioner: Xiao et al. 2024.

B images, N rows, P words of a request, S words read, R regions, the mean of all first, E embedding.
"""

from typing import Any, Self

import torch
from torch import Tensor

from whysaid.data.images import Preprocessing
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import START
from whysaid.models.attention_places import AttentionPlaces, of_asked_with_image
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.transformers.asked import ReadTogether

TASKS = {
    "<CAPTION>": "What does the image describe?",
    "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
    "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
}
"""The published names of tasks that are captions, and the sentences that the model reads in their place."""


class DaViT(Encoder):
    """Convolutions, attention within windows and between channels, and a projector that puts the mean in front.

    Args:
        model: of transformers, without its head.
        preprocessing: of photos.
    """

    attends = True
    attends_between_regions = False
    prefix_tokens = 1
    grid: tuple[int, int]

    def __init__(self, model: Any, preprocessing: Preprocessing):
        super().__init__()
        self.vision, self.projector, self.preprocessing = model.vision_tower, model.multi_modal_projector, preprocessing
        weight = next(self.vision.parameters())
        with torch.no_grad():
            hidden = self.vision(torch.zeros(1, 3, preprocessing.size, preprocessing.size).to(weight)).last_hidden_state
        self.grid = hidden.shape[2], hidden.shape[3]
        self.dim = model.config.text_config.d_model

    def forward(self, images: Tensor) -> Regions:
        """Images (B, 3, H, W) as `preprocessing` makes them → Regions."""
        return Regions(self.projector(self.vision(images).last_hidden_state))


class Florence2(ReadTogether):
    """The encoder of a BART reads the image's tokens and a request; its decoder attends to both.

    Attention of a word is what it gives to the image's tokens, the mean over layers and heads; the rest is the
    sentinel.

    Args:
        pretrained: a `Florence2ForConditionalGeneration`.
        preprocessing: of its photos.
        vocabulary: of its tokens.
    """

    def __init__(self, pretrained: Any, preprocessing: Preprocessing, vocabulary: PieceVocabulary):
        model = pretrained.model
        super().__init__(pretrained, DaViT(model, preprocessing), model.language_model.decoder, vocabulary)
        self.reader, self.vocabulary_head = model.language_model.encoder, pretrained.lm_head
        self.longest = pretrained.config.text_config.max_position_embeddings

    def asked(self, vocabulary: PieceVocabulary, prompt: str | None = None) -> Self:
        """The same model, told what to write: a sentence, or the name of one of its `TASKS`; without one, a caption."""
        tokenizer, settings = vocabulary.tokenizer, self.pretrained.generation_config
        text = TASKS.get(prompt or "<CAPTION>", prompt or "")
        ids = tokenizer(f"{tokenizer.bos_token}{text}{tokenizer.eos_token}", add_special_tokens=False).input_ids
        request = [vocabulary.begin if i == START else i for i in (vocabulary.own[i] for i in ids)]
        forced = settings.forced_bos_token_id
        if forced is None:
            return self.with_prompt(torch.tensor([request]))
        # the decoder's own start, and behind the request the word that is written first whatever the image is
        asked = self.begun_with(torch.tensor([vocabulary.begin, *request, vocabulary.own[forced]]))
        asked.front = 1
        return asked

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        layers, asked = len(self.reader.layers), self.prompt.shape[1]
        return of_asked_with_image(number, regions, words, self.front, asked, layers)

    def scores(self, output: Tensor) -> Tensor:
        logits: Tensor = self.vocabulary_head(output)
        return logits
