"""Contrast against searches of a model whose tables are the contrasted distributions, and against the formulas."""

from math import exp, log
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor

from tests.attribution.tiny import captioner, photos, regions
from tests.decoding.tiny import Markov, tables
from tests.models.transformers.test_sized import small_blip
from tests.running import composed
from whysaid.attribution.looking.attention import Attention
from whysaid.data.batch import Pictures
from whysaid.data.vocabulary import SPECIALS, START, Vocabulary
from whysaid.decoding.beam import Beam
from whysaid.decoding.contrast.absent import SCHEDULE, Absent, Grey, Masked, Mean, Noise
from whysaid.decoding.contrast.contrasted import Contrasted
from whysaid.decoding.contrast.pairs import Pairs
from whysaid.decoding.contrast.rules import M3ID, VCD, NoContrast, Rule
from whysaid.decoding.decoder import describe
from whysaid.decoding.diverse_beam import DiverseBeam
from whysaid.decoding.greedy import Greedy
from whysaid.decoding.sampling import Multinomial
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner, Step
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.models.ensemble import Ensemble
from whysaid.models.word_captioner import Features
from whysaid.run.conf import CONF

V = 7


class Given(Absent):
    """Two random tables of a Markov captioner."""

    def pairs(self, captioner: Captioner, batch: Any) -> Pairs:
        return Pairs(tables(6, V, seed=1, sharpness=2.0), tables(6, V, seed=2, sharpness=2.0))


def contrasted_tables(rule: Rule) -> Features:
    """The tables of a captioner that says by itself what the rule makes of both."""
    pairs = Given().pairs(Markov(V), None)
    present, absent = (part.pooled.view(-1, V) for part in (pairs.present, pairs.absent))
    words = torch.zeros(len(present), 1, dtype=torch.int64)
    logits = rule(present, absent, words).log_softmax(-1).clamp(min=-1e9)
    return Features(pairs.present.values, pairs.present.keys, logits.view(6, -1))


@pytest.mark.parametrize("decoder", [Greedy(6), Beam(3, max_length=6), DiverseBeam(2, max_length=6)], ids=repr)
def test_every_decoder_searches_the_contrasted_distribution(decoder: Any) -> None:
    rule = VCD(Given(), alpha=0.7, beta=0.05)
    alone = decoder(Markov(V), contrasted_tables(rule))
    decoder.contrast = rule
    decoded, features = describe(decoder, Markov(V), Pictures())
    assert torch.equal(decoded.tokens, alone.tokens)
    torch.testing.assert_close(decoded.scores, alone.scores)
    torch.testing.assert_close(features.pooled, tables(6, V, seed=1, sharpness=2.0).pooled)
    plain = type(decoder)(max_length=6)(Markov(V), features)
    assert not torch.equal(plain.tokens[:, :1, :2], decoded.tokens[:, :1, :2])


def test_samples_follow_the_contrasted_distribution() -> None:
    rule = VCD(Given(), alpha=1.0, beta=0.1)
    torch.manual_seed(0)
    decoded, _ = describe(Multinomial(samples=4000, max_length=1, contrast=rule), Markov(V), Pictures())
    p = contrasted_tables(rule).pooled.view(6, V, V)[:, START].softmax(-1)
    p[:, :2] = 0
    p = p / p.sum(1, keepdim=True)
    shares = torch.nn.functional.one_hot(decoded.tokens[:, :, 0], V).double().mean(1)
    assert (shares - p).abs().max() < 0.04


def test_rules_by_their_formulas() -> None:
    present = torch.tensor([[0.5, 0.3, 0.15, 0.05]], dtype=torch.float64).log()
    absent = torch.tensor([[0.25, 0.25, 0.25, 0.25]], dtype=torch.float64).log()
    words = torch.tensor([[4]])
    vcd = VCD(Given(), alpha=0.5, beta=0.2)(present, absent, words)
    assert vcd[0, 0] == pytest.approx(1.5 * log(0.5) - 0.5 * log(0.25)) and vcd[0, 3] == -torch.inf
    assert vcd[0, 2] == pytest.approx(1.5 * log(0.15) - 0.5 * log(0.25))
    m3id = M3ID(Given(), fading=0.1, beta=0.0)(present, absent, words)
    assert m3id[0, 3] == pytest.approx(log(0.05) + (exp(0.4) - 1) * (log(0.05) - log(0.25)))
    torch.testing.assert_close(M3ID(Given(), 0.1, 0.0)(present, absent, torch.tensor([[0]])), present)


def test_the_weight_of_m3id_grows_with_each_word_of_each_caption() -> None:
    counted: list[Tensor] = []

    class Counting(M3ID):
        def weight(self, words: Tensor) -> Tensor:
            counted.append(words)
            return super().weight(words)

    describe(Beam(2, max_length=4, contrast=Counting(Given(), 0.2)), Markov(V), Pictures())
    assert [words.unique().tolist() for words in counted] == [[t] for t in range(len(counted))] and len(counted) > 1


@pytest.mark.parametrize("name", ["soft", "adaptive", "gridtd", "aoa"])
def test_both_branches_are_one_batch_of_the_captioner_itself(name: str) -> None:
    """Attention and state are those of the picture; logits those of the formula on two runs of their own."""
    model = captioner(name).eval()
    batch = Pictures(regions=regions())
    model.mean_regions = regions().mean(0)
    contrasted = Contrasted(model, Mean(), VCD(Mean(), alpha=0.5, beta=0.0))
    pairs = contrasted.features(batch)
    absent = model.project(model.mean_regions.expand(2, -1, -1))
    state, alone, without = contrasted.start(pairs), model.start(pairs.present), model.start(absent)
    for word in (START, 5, 7):
        tokens = torch.tensor([word, word])
        logits, attention, _, state = contrasted.step(tokens, state, pairs)
        own, other = model.step(tokens, alone, pairs.present), model.step(tokens, without, absent)
        log_p, log_p0 = own.logits.log_softmax(-1), other.logits.log_softmax(-1)
        torch.testing.assert_close(logits, 1.5 * log_p - 0.5 * log_p0)
        torch.testing.assert_close(attention, own.attention)
        alone, without = own.state, other.state


@pytest.mark.parametrize("rule", [VCD(Mean(), 0.5, 0.5), M3ID(Mean(), 0.3, 0.5)], ids=["vcd", "m3id"])
@pytest.mark.parametrize("name", ["soft", "transformer"])
def test_without_a_picture_only_plausible_words_are_computed(name: str, rule: Rule) -> None:
    """Decoders make of them what they make of the whole distribution."""
    model = captioner(name).eval()
    model.vocabulary_layer.weight.data *= 20  # peaked, so that few words are plausible
    model.mean_regions = regions().mean(0)
    whole, quick = Contrasted(model, Mean(), rule), Contrasted(model, Mean(), rule, plausible=rule.plausible)
    pairs = whole.features(Pictures(regions=regions()))
    asked: list[int] = []
    logits_of = model.logits_of

    def counting(output: Tensor, words: Tensor) -> Tensor:
        asked.append(len(words))
        return logits_of(output, words)

    model.logits_of = counting  # type: ignore[method-assign]
    states = whole.start(pairs), quick.start(pairs)
    for word in (START, 5, 7):
        tokens = torch.tensor([word, word])
        one, other = whole.step(tokens, states[0], pairs), quick.step(tokens, states[1], pairs)
        torch.testing.assert_close(one.logits.log_softmax(-1), other.logits.log_softmax(-1))
        states = one.state, other.state
    assert len(asked) == 3 and max(asked) < model.vocabulary_layer.out_features


def test_an_ensemble_is_contrasted_like_a_captioner() -> None:
    words = Vocabulary([*SPECIALS, "a", "b", "c", "d", "e"])
    members = [captioner(name, ScenesCNN((4, 6), 8)).eval() for name in ("gridtd", "soft")]
    batch = Pictures(photos(8))
    both = Ensemble(members, [words] * 2)
    for absent in (Grey(), Noise(600), Masked(Attention(), 0.5)):
        decoded, features = describe(Beam(2, max_length=5, contrast=VCD(absent)), both, batch)
        assert decoded.tokens.shape[:2] == (len(features), 2) and len(features.members) == 2
    same = Ensemble([members[0]] * 2, [words] * 2)
    decoder = Beam(2, max_length=5, contrast=VCD(Grey()))
    assert torch.equal(describe(decoder, same, batch)[0].tokens, describe(decoder, members[0], batch)[0].tokens)


def test_masked_takes_out_the_regions_that_the_caption_looked_at() -> None:
    model = captioner("adaptive").eval()
    mask = torch.tensor([[True, True, True, True], [True, True, True, False]])
    projected: list[Tensor | None] = []
    project = model.project

    def record(values: Tensor, mask: Tensor | None = None) -> Features:
        projected.append(mask)
        return project(values, mask)

    model.project = record  # type: ignore[method-assign]
    pairs = Masked(Attention(), share=0.5).pairs(model, Pictures(regions=regions(), mask=mask))
    left = projected[-1]
    assert left is not None and left.sum(1).tolist() == [2, 1] and not left[1, 3]
    tokens = Greedy()(model, pairs.present).tokens[:, 0]
    inputs = torch.cat([torch.full((2, 1), START), tokens[:, :-1]], 1)
    looked = (model.unroll(inputs, pairs.present).attention * (tokens != 0)[..., None]).sum(1)
    for row in range(2):
        assert looked[row][mask[row] & ~left[row]].min() >= looked[row][left[row]].max()


def test_noise_keeps_as_much_of_the_picture_as_the_schedule_says() -> None:
    assert Noise(0).kept == 1 and 0 < Noise(SCHEDULE).kept < Noise(500).kept < 1
    model = captioner("gridtd", ScenesCNN((4, 6), 8)).eval()
    pairs = Noise(0).pairs(model, Pictures(photos(8)))
    torch.testing.assert_close(pairs.present.values, pairs.absent.values)
    encoded: list[int] = []
    model.encoder.register_forward_hook(lambda module, given, result: encoded.append(len(given[0])))
    Noise(500).pairs(model, Pictures(photos(8)))
    assert encoded == [4]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VCD(Mean(), beta=1.0), "below 1"),
        (lambda: VCD(Mean(), alpha=-1), "0 or more"),
        (lambda: M3ID(Mean(), fading=-1), "0 or more"),
        (lambda: Noise(1001), "between 0 and 1000"),
        (lambda: Masked(Attention(), 1.0), "below 1"),
        (lambda: Mean().pairs(captioner("soft"), Pictures(regions=regions())), "absent=grey"),
        (lambda: Noise().pairs(captioner("soft"), Pictures(regions=regions())), "cache_features=false"),
        (lambda: Grey().pairs(captioner("soft"), Pictures(regions=regions())), "absent=mean"),
        (
            lambda: Masked(Attention()).pairs(small_blip(), Pictures(photos(16))),
            "no region can be hidden from SizedBlip",
        ),
    ],
)
def test_what_cannot_be_contrasted_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_no_contrast_is_the_captioner_itself() -> None:
    model, batch = captioner("soft").eval(), Pictures(regions=regions())
    plain, _ = describe(Greedy(), model, batch)
    none, _ = describe(Greedy(contrast=NoContrast()), model, batch)
    assert torch.equal(plain.tokens, none.tokens)


@pytest.mark.parametrize("rule", ["vcd", "m3id", "none"])
@pytest.mark.parametrize("absent", ["mean", "grey", "noise", "masked"])
def test_every_choice_of_the_command_line_is_built(rule: str, absent: str, tmp_path: Path) -> None:
    chosen = [] if rule == "none" else [f"decoding/contrast/absent={absent}"]
    config = composed("train", tmp_path, f"decoding/contrast={rule}", *chosen)
    decoder = instantiate(config.decoding)
    assert type(decoder.contrast).__name__ in ("VCD", "M3ID", "NoContrast")
    if rule != "none":
        assert type(decoder.contrast.absent).__name__.lower() == absent
    assert (CONF / "decoding/contrast/absent" / f"{absent}.yaml").exists()


def test_captions_with_the_same_words_share_a_row_without_a_picture() -> None:
    model = captioner("gridtd").eval()
    model.mean_regions = regions().mean(0)
    contrasted = Contrasted(model, Mean(), VCD(Mean()))
    pairs = contrasted.features(Pictures(regions=regions()))
    stepped: list[int] = []
    step = model.step

    def counting(tokens: Tensor, *rest: Any) -> Step:
        stepped.append(len(tokens))
        return step(tokens, *rest)

    model.step = counting  # type: ignore[method-assign, assignment]
    state = contrasted.start(pairs)
    for words in ([START, START], [5, 5], [6, 7], [8, 8]):
        state = contrasted.step(torch.tensor(words), state, pairs).state
    assert stepped[::2] == [2] * 4 and stepped[1::2] == [1, 1, 2, 2]
