"""Attention of the captions of validation images."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning.trainer.states import TrainerFn

from tests.figures.checks import texts
from whysaid.attribution.looking.attention import attend
from whysaid.callbacks import first_images
from whysaid.callbacks.attention_maps import AttentionMaps
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.object_words import coco_objects
from whysaid.data.vocabulary import SPECIALS, START, Vocabulary
from whysaid.figures.marks import HALLUCINATED
from whysaid.models.adaptive import Adaptive
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.models.soft import Soft

VOCABULARY = Vocabulary([*SPECIALS, "a", "dog", "cat", "on"])
CAPTIONS = [["a", "dog", "on", "a", "cat"], ["dog"], []]


def captioner(kind=Adaptive, encoder=None):
    torch.manual_seed(0)
    encoder = encoder or ScenesCNN([2, 4, 4], image_size=48)
    return kind(encoder=encoder, vocab_size=len(VOCABULARY), embed_dim=8, hidden_dim=8).eval()


def batch():
    images = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    return CaptionBatch(torch.tensor([7, 8, 9]), torch.zeros(3, 1, 2, dtype=torch.int64), images)


def test_attention_is_that_of_the_steps_which_write_the_words():
    model, pixels = captioner(), batch()
    attended = attend(model, pixels, CAPTIONS, VOCABULARY)
    assert [caption.words for caption in attended] == CAPTIONS
    assert [caption.maps.shape for caption in attended] == [(5, 12, 12), (1, 12, 12), (0, 12, 12)]
    features = model.features(CaptionBatch(torch.tensor([7]), pixels.captions[:1], pixels.images[:1]))
    state, word = model.start(features), START
    for t, following in enumerate(CAPTIONS[0]):
        step = model.step(torch.tensor([word]), state, features)
        np.testing.assert_allclose(attended[0].maps[t].ravel(), step.attention[0].detach(), atol=1e-6)
        assert attended[0].sentinel[t] == pytest.approx(step.sentinel.item(), abs=1e-6)
        state, word = step.state, VOCABULARY.index[following]


def test_captioners_without_a_sentinel_have_none():
    assert [caption.sentinel for caption in attend(captioner(Soft), batch(), CAPTIONS, VOCABULARY)] == [None] * 3


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A trainer in validation, a module, and the figures that the callback logs."""
    for i in (7, 8, 9):
        Image.new("RGB", (48, 48)).save(tmp_path / f"{i}.png")
    images = [CaptionedImage(i, tmp_path / f"{i}.png", ()) for i in (7, 8, 9)]
    trainer = SimpleNamespace(
        is_global_zero=True,
        sanity_checking=False,
        current_epoch=0,
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        datamodule=SimpleNamespace(
            images=lambda split: images,
            references=lambda split: {7: ["a dog sleeps"], 8: [], 9: []},
            object_words=coco_objects(),
        ),
    )
    logged = []
    monkeypatch.setattr(first_images, "log_figures", lambda trainer, name, figures, folder: logged.append(figures))
    model = captioner()
    module = SimpleNamespace(captioner=model, encoder=model.encoder, vocabulary=VOCABULARY)
    return SimpleNamespace(trainer=trainer, module=module, logged=logged, folder=str(tmp_path))


def validate(scene, batch_idx=0, callback=None, **settings):
    written = {"captions": dict(zip([7, 8, 9], map(" ".join, CAPTIONS), strict=True))}
    callback = callback or AttentionMaps(scene.folder, **settings)
    callback.on_validation_batch_end(scene.trainer, scene.module, written, batch(), batch_idx)


def test_draws_the_first_images_and_touches_nothing(scene):
    before = {name: value.clone() for name, value in scene.module.captioner.state_dict().items()}
    random = torch.get_rng_state()
    validate(scene, images=2)
    (figures,) = scene.logged
    assert list(figures) == ["attention_7", "attention_8"]
    title = "Attention, where the model looked for each word: Adaptive, image 8"
    assert [text.get_text() for text in figures["attention_8"].texts if text.get_weight() == "bold"] == [title, "dog"]
    assert not scene.module.captioner.training
    assert all(torch.equal(value, before[name]) for name, value in scene.module.captioner.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in scene.module.captioner.parameters())


def test_the_caption_stands_above_with_its_hallucinated_words_marked(scene):
    validate(scene, images=1)
    figure = scene.logged[0]["attention_7"]
    marked = [text.get_text() for text in figure.texts if text.get_color() == HALLUCINATED.mark.colour]
    assert marked == ["cat", "cat", "word"], "no reference of image 7 has a cat"
    assert HALLUCINATED.text in texts(figure) and "a dog on a" in texts(figure)


def test_an_empty_caption_is_drawn_too(scene):
    validate(scene, images=8)
    assert list(scene.logged[0]) == ["attention_7", "attention_8", "attention_9"]


@pytest.mark.parametrize("change", [{"is_global_zero": False}, {"sanity_checking": True}])
def test_silent_when_not_due(scene, change):
    vars(scene.trainer).update(change)
    validate(scene)
    assert scene.logged == []


@pytest.mark.parametrize(("validated", "drawn"), [([0, 1, 2, 3, 4], [0, 2, 4]), ([1, 3, 5], [1, 3, 5]), ([2, 3], [2])])
def test_every_second_epoch_whenever_it_is_validated(scene, validated, drawn):
    callback, drawn_in = AttentionMaps(scene.folder, every_n_epochs=2), []
    for epoch in validated:
        scene.trainer.current_epoch = epoch
        validate(scene, callback=callback)
        drawn_in += [epoch] if scene.logged else []
        scene.logged.clear()
    assert drawn_in == drawn


def test_the_best_checkpoint_is_always_drawn(scene):
    callback = AttentionMaps(scene.folder, every_n_epochs=9)
    validate(scene, callback=callback)
    scene.trainer.state.fn, scene.trainer.current_epoch = TrainerFn.VALIDATING, 1
    validate(scene, callback=callback)
    assert len(scene.logged) == 2


def test_only_the_first_batch(scene):
    validate(scene, batch_idx=1)
    assert scene.logged == []


def test_regions_without_a_grid_are_skipped_with_one_line(scene, caplog):
    scene.module.encoder = RegionFeatures(8)
    with caplog.at_level(logging.INFO):
        AttentionMaps(scene.folder).setup(scene.trainer, scene.module, "fit")
        AttentionMaps(scene.folder).setup(scene.trainer, scene.module, "test")
    assert [record.getMessage() for record in caplog.records] == [
        "attention is not drawn: the regions of RegionFeatures have no grid"
    ]
    validate(scene)
    assert scene.logged == []
