"""Beam 5 against greedy decoding, and against a plain beam search image by image: CPU time at a batch of 50.

`python -m tests.benchmarks.decoding` prints the table and writes `tests/benchmarks/results/decoding.json`.

The captioner has the sizes of up-down attention (Anderson et al. 2018): B = 50 images, R = 36 regions of D = 2048,
H = 1000, A = 512, V = 9,500. Its weights are random; `<end>` is made likely enough for captions to end after ten to
twelve words, or impossible, so that all of them run to 20. "bare step over bare step" is what 250 rows cost against 50
in the captioner alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.timing import medians, write
from whysaid.data.vocabulary import END, PAD, START
from whysaid.decoding.beam import Beam
from whysaid.decoding.greedy import Greedy
from whysaid.models.attention import AdditiveScore, weighted_sum
from whysaid.models.captioner import Captioner, CellOutput, State, repeat, rows, select
from whysaid.models.lstm import LSTM
from whysaid.models.word_captioner import Features, WordCaptioner

B, R, D, H, E, A, V = 50, 36, 2048, 1000, 1000, 512, 9500
WIDTH, LENGTH, RUNS = 5, 20, 3
PLAIN = 4  # images that the plain beam search gets; its time is scaled up to B
SCALE = 40.0  # of logits


class UpDown(WordCaptioner):
    """Top-down LSTM on [e(w); mean v; h²], additive attention, language LSTM on [v̂; h¹].

    Random logits are scaled to be about as peaked as a trained captioner's.

    Attributes:
        ends: whether `<end>` grows likely around the tenth word, or never comes.
    """

    def __init__(self) -> None:
        super().__init__(nn.Identity(), V, E, H, 0.0)
        self.top_down = LSTM((E, D, H), H)
        self.attention = AdditiveScore(D, H, A)
        self.language = LSTM((D, H), H)
        self.ends = True

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Features:
        pooled = self.top_down.inputs[1](regions.mean(1))
        return Features(regions, self.attention.key(regions), pooled, mask)

    def start(self, features: Features) -> State:
        zeros = features.values.new_zeros(len(features), H)
        return zeros, zeros, zeros, zeros, zeros[:, 0]

    def drive(self, embedded: Tensor) -> Tensor:
        return self.top_down.inputs[0](embedded)

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        h1, c1, h2, c2, length = state
        drive = word + rows(features.pooled, word) + self.top_down.inputs[2](h2)
        h1, c1, _ = self.top_down(drive, h1, c1)
        attention = self.attention(self.attention.query(h1), features.keys, features.mask).softmax(-1)
        drive = self.language.inputs[0](weighted_sum(attention, features.values)) + self.language.inputs[1](h1)
        h2, c2, _ = self.language(drive, h2, c2)
        output = torch.cat([h2, length[:, None]], 1)
        return CellOutput(output, attention, None, (h1, c1, h2, c2, length + 1))

    def head(self, output: Tensor) -> Tensor:
        logits = super().head(output[..., :H]).mul_(SCALE)
        logits[..., END] += self._end(output)
        return logits

    def logits_of(self, output: Tensor, words: Tensor) -> Tensor:
        layer = self.vocabulary_layer
        logits = F.linear(output[..., :H], layer.weight[words], layer.bias[words]).mul_(SCALE)
        logits[..., words == END] += self._end(output)[..., None]
        return logits

    def _end(self, output: Tensor) -> Tensor:
        return 2 * output[..., H] - 4 if self.ends else torch.full_like(output[..., H], -1e4)


@torch.no_grad()
def plain_beam(captioner: Captioner, features: Features, width: int = WIDTH) -> list[list[int]]:
    """The beam search of published captioning code: one image at a time, its features copied for every beam."""
    best = []
    for image in range(len(features)):
        own = Features(
            *(
                part[image : image + 1].repeat_interleave(width, 0)
                for part in (features.values, features.keys, features.pooled)
            )
        )
        state, words = captioner.start(own), torch.full((width,), START)
        sums, live, finished = torch.tensor([0.0] + [-1e9] * (width - 1)), torch.zeros(width, 0, dtype=torch.long), []
        for _ in range(LENGTH):
            step = captioner.step(words, state, own)
            log_p = step.logits.log_softmax(-1)
            log_p[:, [PAD, START]] = -torch.inf
            scores, places = (sums[:, None] + log_p).flatten().topk(2 * width)
            parents, next_words = places // V, places % V
            finished += [
                (float(scores[i]), [*live[parents[i]].tolist(), END]) for i in range(width) if next_words[i] == END
            ]
            going_on = (next_words != END).nonzero().squeeze(1)[:width]
            parents, words, sums = parents[going_on], next_words[going_on], scores[going_on]
            live, state = torch.cat([live[parents], words[:, None]], 1), select(step.state, parents)
            finished = sorted(finished, reverse=True)[:width]
            if len(finished) == width and finished[-1][0] >= sums[0]:
                break
        finished += [(float(s), words_so_far.tolist()) for s, words_so_far in zip(sums, live, strict=True)]
        best.append(max(finished)[1])
    return best


@torch.no_grad()
def bare_steps(captioner: Captioner, features: Features, per_image: int) -> None:
    """Four steps and nothing else: what no decoder can go below."""
    state = repeat(captioner.start(features), per_image)
    words = torch.full((len(features) * per_image,), START)
    for _ in range(4):
        state = captioner.step(words, state, features).state


def compare(captioner: UpDown, features: Features, ends: bool) -> dict[str, float]:
    """Medians of CPU seconds for the batch, runs of all kinds taking turns."""
    captioner.ends = ends
    few = Features(*(part[:PLAIN] for part in (features.values, features.keys, features.pooled)))
    kinds: dict[str, Callable[[], object]] = {
        "greedy": lambda: Greedy(LENGTH)(captioner, features),
        "beam": lambda: Beam(WIDTH, max_length=LENGTH, captions=1)(captioner, features),
        "step_1": lambda: bare_steps(captioner, features, 1),
        "step_5": lambda: bare_steps(captioner, features, WIDTH),
        "plain_beam": lambda: plain_beam(captioner, few),
    }
    median = medians(kinds, RUNS)
    median["plain_beam"] *= B / PLAIN
    return {
        **{f"{kind}_cpu_s": round(median[kind], 3) for kind in ("greedy", "beam", "plain_beam")},
        "beam_over_greedy": round(median["beam"] / median["greedy"], 2),
        "bare_step_over_bare_step": round(median["step_5"] / median["step_1"], 2),
        "plain_beam_over_beam": round(median["plain_beam"] / median["beam"], 2),
    }


def main() -> None:
    torch.manual_seed(0)
    captioner = UpDown().eval()
    with torch.no_grad():
        features = captioner.project(torch.randn(B, R, D).relu())
    result: dict[str, object] = {"batch": B, "width": WIDTH, "runs": RUNS}
    for name, ends in (("captions_end", True), ("all_run_to_20_words", False)):
        figures = compare(captioner, features, ends)
        result[name] = figures
        print(name, *(f"  {key:26} {value:8.3f}" for key, value in figures.items()), sep="\n")
    print(write("decoding", result))


if __name__ == "__main__":
    main()
