"""The counterfactual objective against its formula, place by place."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.attribution.tiny import captioner, vgg
from tests.objectives.test_lrp_inference import gradients
from tests.objectives.tiny import VOCABULARY, with_photos, with_regions
from whysaid.data.batch import CaptionBatch, ChangedPictures, Pictures
from whysaid.data.object_words import ObjectWords
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.objectives.counterfactual import Counterfactual
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.object_vocabulary import object_vocabulary

WORDS = ObjectWords({"animal": ["dog", "cat"], "toy": ["ball"], "ghost": ["ghost"]})


def objective(**settings: Any) -> Counterfactual:
    made = Counterfactual(**settings)
    made.prepare(captioner("gridtd"), SimpleNamespace(object_words=WORDS, vocabulary=VOCABULARY, changes=object()))  # type: ignore[arg-type]
    return made


def changed(batch: CaptionBatch) -> CaptionBatch:
    """The animal leaves the first picture, whose captions are `a dog on cat` and `ball dog`; nothing the second."""
    others = Pictures(
        None if batch.images is None else batch.images.flip(2),
        None if batch.regions is None else batch.regions.flip(1),
        batch.mask,
    )
    places = torch.tensor([[1, 1], [-1, -1]])
    batch.changed = ChangedPictures(others, torch.tensor([0, 1]), torch.tensor([0, -1]), places)
    return batch


@pytest.mark.parametrize("name", ["soft", "adaptive", "gridtd", "aoa"])
@pytest.mark.parametrize("pixels", [True, False], ids=["pixels", "regions"])
def test_by_hand(name: str, pixels: bool) -> None:
    model = captioner(name, vgg() if pixels else None).eval()
    batch = changed(with_photos() if pixels else with_regions())
    loss, logs = objective(absence=0.7, kept=0.3)(model, batch, 0)
    assert batch.changed is not None
    plain, _ = CrossEntropy()(model, batch, 0)
    captions = batch.captions[batch.changed.rows].flatten(0, 1)
    logits = model.unroll(captions[:, :-1], model.features(batch.changed.pictures)).logits
    animals = [VOCABULARY.index[word] for word in ("dog", "cat")]
    terms: list[Tensor] = []
    kept: list[Tensor] = []
    for row, (caption, place) in enumerate(
        zip(captions.tolist(), batch.changed.places.flatten().tolist(), strict=True)
    ):
        if place >= 0:
            assert caption[place + 1] in animals
            terms.append(-torch.log(1 - logits[row, place].softmax(-1)[animals].sum()))
        else:
            kept += [-logits[row, t].log_softmax(-1)[word] for t, word in enumerate(caption[1:]) if word != PAD]
    expected = plain + 0.7 * torch.stack(terms).mean() + 0.3 * torch.stack(kept).mean()
    torch.testing.assert_close(loss.double(), expected, rtol=0, atol=1e-6)
    for ours, theirs in zip(gradients(model, loss), gradients(model, expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    probabilities = 1 - torch.exp(-torch.stack(terms))
    torch.testing.assert_close(logs["named_absent"].double(), probabilities.mean().detach(), rtol=0, atol=1e-6)
    assert len(terms) == 2 and len(kept) == 4 and not any(value.requires_grad for value in logs.values())


def test_a_name_that_is_certain_has_a_finite_gradient() -> None:
    model = captioner("gridtd").eval()
    with torch.no_grad():
        model.vocabulary_layer.bias[VOCABULARY.index["dog"]] += 200
    loss, logs = objective()(model, changed(with_regions()), 0)
    found = gradients(model, loss)
    assert loss.isfinite() and all(g.isfinite().all() for g in found) and logs["named_absent"] == pytest.approx(1)


def test_without_changed_pictures_it_is_cross_entropy() -> None:
    model, batch = captioner("soft").eval(), with_regions()
    loss, logs = objective(label_smoothing=0.1)(model, batch, 0)
    plain, _ = CrossEntropy(label_smoothing=0.1)(model, batch, 0)
    torch.testing.assert_close(loss, plain)
    assert set(logs) == {"loss"}


def test_where_nothing_that_left_is_named_only_true_captions_count() -> None:
    model, batch = captioner("soft").eval(), changed(with_regions())
    assert batch.changed is not None
    batch.changed.places.fill_(-1)
    loss, logs = objective(absence=5.0, kept=0.0)(model, batch, 0)
    torch.testing.assert_close(loss, CrossEntropy()(model, batch, 0)[0])
    assert logs["loss_absence"] == 0 and logs["named_absent"] == 0


def test_first_words_of_phrases_begin_to_name_an_object() -> None:
    words = ObjectWords({"animal": ["dog on"], "toy": ["ball"]}, not_objects=["cat on"])
    marks = object_vocabulary(words, VOCABULARY)
    assert [[VOCABULARY.words[i] for i in row.nonzero()[:, 0]] for row in marks] == [["dog"], ["ball"]]


def test_a_training_that_takes_nothing_out_is_refused() -> None:
    with pytest.raises(UserError, match="nothing is taken out"):
        Counterfactual().prepare(captioner("soft"), SimpleNamespace(object_words=WORDS, changes=None))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="at least 0"):
        Counterfactual(absence=-1)
