"""Label augmentation: what is swapped, what is joined, and that the captioner learns to say what it is told."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.attribution.tiny import captioner, photos
from tests.objectives.tiny import VOCABULARY, data, with_photos, with_regions
from whysaid.attribution.gradient.grad_cam import GradCam
from whysaid.attribution.gradient.simple import Saliency
from whysaid.attribution.looking.rollout import AttentionRollout
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.data.images import Preprocessing
from whysaid.data.object_words import ObjectWords
from whysaid.data.vocabulary import PAD, SPECIALS, Vocabulary
from whysaid.errors import UserError
from whysaid.metrics.hallucination import Hallucination
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.encoders.labelled import Labelled
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.models.transformers.sized_blip import BlipVision, SizedBlip
from whysaid.objectives.label_augmentation import LabelAugmentation
from whysaid.objectives.swaps import Swaps

WORDS = ObjectWords({"dog": ["puppy"], "cat": [], "owl": [], "hot dog": []})
WIDE = Vocabulary([*SPECIALS, "a", "an", "dog", "dogs", "puppy", "cat", "cats", "owl", "red", "hot", "and"])


def encode(*captions: str) -> Any:
    rows = [WIDE.encode(caption.split()) for caption in captions]
    length = max(map(len, rows))
    return np.array([row + [PAD] * (length - len(row)) for row in rows])


def text(captions: Any) -> list[str]:
    return [" ".join(WIDE.decode(caption)) for caption in captions.tolist()]


def test_an_object_becomes_another_in_all_captions_and_labels() -> None:
    swaps = Swaps(WORDS, WIDE, [["dog"], ["cat", "dog"]], rare=False)
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        changed = swaps(encode("a puppy and a red dog", "dogs", "a red"), np.array([True, False, False, False]))
        assert changed is not None
        captions, labels = changed
        seen.add((tuple(text(captions)), tuple(labels.tolist())))
    assert seen == {
        (("a cat and a red cat", "cats", "a red"), (False, True, False, False)),
        (("an owl and a red owl", "owl", "a red"), (False, False, True, False)),  # the plural is no word here
    }


def test_what_cannot_be_swapped_stays() -> None:
    swaps = Swaps(WORDS, WIDE, [["dog"]])
    assert swaps(encode("a red"), np.array([True, False, False, False])) is None
    assert swaps(encode("a cat"), np.array([True, False, False, False])) is None  # the caption says what is not there
    assert swaps(encode("a hot dog"), np.array([True, False, False, True])) is None
    assert swaps(encode("a dog"), np.array([True, True, True, False])) is None  # there is nothing else


def test_rare_company_is_drawn_more_often() -> None:
    pictures = [["dog", "cat", "owl"]] * 2 + [["dog", "owl"]] * 28
    swaps = Swaps(WORDS, WIDE, pictures, rare=True)
    torch.manual_seed(0)
    drawn = []
    for _ in range(300):
        changed = swaps(encode("a dog and a puppy"), np.array([True, False, False, True]))
        assert changed is not None
        drawn.append(int(changed[1][1]))
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.1)  # neither comes with a hot dog
    chances = swaps._chances([1, 2], [0])
    np.testing.assert_allclose(chances, [1 / 3, 1 / 31])
    np.testing.assert_allclose(Swaps(WORDS, WIDE, pictures, rare=False)._chances([1, 2], [0]), [1, 1])


TRUTH = Hallucination(ObjectWords({"dog": [], "cat": [], "ball": []}))


def made(**settings: Any) -> tuple[LabelAugmentation, Captioner]:
    torch.manual_seed(0)
    model = captioner("gridtd", ScenesCNN((4, 6), 8))
    model.encoder = Labelled(model.encoder, 3).double()
    model.encoder.requires_grad_(False).eval()
    objective = LabelAugmentation(TRUTH, **settings)
    objective.make_parameters(model)
    module = data()
    module.images = lambda split: [SimpleNamespace(id=image) for image in (1, 2, 3)]
    objective.prepare(model, module)
    return objective, model


def test_labels_start_as_nothing_and_join_every_region() -> None:
    inner = ScenesCNN((4, 6), 8).double().eval()
    labelled = Labelled(inner, 3).double()
    images = photos(8)
    torch.testing.assert_close(labelled(images).values, inner(images).values)
    assert labelled.dim == 6 and labelled.grid == (4, 4)
    torch.nn.init.normal_(labelled.vectors.weight)
    seen = inner(images)
    told = labelled.joined(seen, torch.tensor([[True, False, True], [False, False, False]]))
    expected = seen.values[0] + labelled.vectors.weight[:, [0, 2]].sum(1)
    torch.testing.assert_close(told.values[0], expected)
    torch.testing.assert_close(told.values[1], seen.values[1])
    found = labelled.scores(seen) > 0
    torch.testing.assert_close(labelled(images).values, labelled.joined(seen, found).values)
    mask = torch.zeros(2, 16, dtype=torch.bool)
    mask[:, 3] = True
    alone = labelled.scores(Regions(seen.values, mask))
    torch.testing.assert_close(alone, 10 * labelled.detector(seen.values[:, 3]))


def test_labels_join_a_vision_transformer_and_its_grid_stays() -> None:
    """The class token is told the labels too, and has no place on the grid; rules and maps are the transformer's."""
    tower = BlipVision(16, 4, dim=8, hidden_dim=8, layers=1, heads=2)
    images = torch.randn(2, 3, 16, 16)
    inner = SizedBlip(tower, len(WIDE), embed_dim=8, hidden_dim=8, layers=1, heads=2).double().eval()
    targets = Targets(torch.tensor([[4, 6, 2], [4, 9, 2]]))
    methods = {"lrp": LRP(), "grad_cam": GradCam(), "rollout": AttentionRollout(), "saliency": Saliency()}
    expected = attribute_all(methods, inner, images, targets)
    labelled = inner.encoder = Labelled(tower, 3).double().eval()
    assert labelled.prefix_tokens == 1 and labelled.attends and labelled.grid_at(16, 16) == (4, 4)
    found = attribute_all(methods, inner, images, targets)
    for name, explanation in expected.items():  # labels are nothing yet
        torch.testing.assert_close(vars(found[name]), vars(explanation))
    torch.nn.init.normal_(labelled.vectors.weight)
    told = labelled.joined(tower(images.double()), torch.ones(2, 3, dtype=torch.bool)).values
    torch.testing.assert_close(told - tower(images.double()).values, labelled.vectors.weight.sum(1).expand(2, 17, 8))
    maps = torch.arange(17.0)
    assert labelled.on_grid(maps).flatten().tolist() == list(range(1, 17))
    torch.testing.assert_close(labelled.off_grid(labelled.on_grid(maps), maps, (16, 16)), maps)


class Oblong(Encoder):
    """2 × 6 regions behind two that have no place, on a grid that depends on the image."""

    dim, grid, prefix_tokens = 4, (2, 6), 2
    preprocessing = Preprocessing(12, mean=(0.5,) * 3, std=(0.5,) * 3)

    def grid_at(self, height: int, width: int) -> tuple[int, int]:
        return height // 6, width // 6


def test_the_grid_of_a_labelled_encoder_need_not_be_square() -> None:
    labelled, maps = Labelled(Oblong(), 3), torch.arange(8.0)
    assert labelled.grid == (2, 6) and labelled.grid_at(12, 18) == (2, 3)
    assert labelled.on_grid(maps, (12, 18)).tolist() == [[2, 3, 4], [5, 6, 7]]


def test_the_loss_by_hand() -> None:
    objective, model = made(swapped=0.0, detection=0.5)
    batch = with_photos()
    loss, logs = objective(model.eval(), batch, 0)
    assert isinstance(model.encoder, Labelled) and batch.images is not None
    seen = model.encoder.encoder(batch.images)
    labels = torch.tensor([[True, True, True], [False, True, True]])
    features = model.project(*model.encoder.joined(seen, labels))
    rows = batch.captions.flatten(0, 1)
    logits = model.unroll(rows[:, :-1], features).logits
    plain = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), ignore_index=PAD)
    detection = F.binary_cross_entropy_with_logits(model.encoder.scores(seen), labels.double())
    torch.testing.assert_close(loss, plain + 0.5 * detection)
    assert logs["swapped"] == 0 and 0 <= logs["detected"] <= 1
    own = [*objective.parameters()]
    assert {id(p) for p in own} == {
        id(p) for m in (model.encoder.detector, model.encoder.vectors) for p in m.parameters()
    }
    assert all(p.requires_grad for p in own) and not any(p.requires_grad for p in model.encoder.encoder.parameters())
    model.encoder.encoder.requires_grad_(True)
    assert [*objective.parameters()] == []


def test_the_captioner_says_what_it_is_told() -> None:
    """Two pictures, always a dog and always a cat; after swapping, the label alone says which is named."""
    torch.manual_seed(0)
    objective, model = made(swapped=0.7, rare=False)
    batch = with_photos()
    dog, cat = VOCABULARY.index["dog"], VOCABULARY.index["cat"]
    batch.captions = torch.tensor([[[1, 4, dog, 2]], [[1, 4, cat, 2]]])
    objective._judge._present = {1: frozenset({"dog"}), 2: frozenset({"cat"})}
    optimizer = torch.optim.Adam([*model.parameters()], 0.03)
    torch.manual_seed(0)
    for _ in range(300):
        loss, logs = objective(model, batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert logs["detected"] == 1
    model.eval()
    assert isinstance(model.encoder, Labelled) and batch.images is not None
    seen = model.encoder.encoder(batch.images)
    told = torch.tensor([[False, False, True], [True, False, False]])  # neither is what the picture shows
    logits = model.unroll(torch.tensor([[1, 4], [1, 4]]), model.project(*model.encoder.joined(seen, told))).logits
    assert logits[:, 1].argmax(-1).tolist() == [VOCABULARY.index["ball"], dog]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelAugmentation(TRUTH, swapped=1.5), "between 0 and 1"),
        (lambda: LabelAugmentation(TRUTH, detection=0.0), "above 0"),
        (lambda: LabelAugmentation(TRUTH).make_parameters(captioner("soft")), "joins labels"),
        (lambda: made()[0](made()[1], with_regions(), 0), "cache_features=false"),
    ],
)
def test_what_cannot_be_labelled_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
