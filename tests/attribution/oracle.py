"""Algorithm 1 of Sun et al. 2020 for each captioner: one image, one word, plain loops, nothing shared with the models.

Each function takes weights, regions (R, D), input tokens (t + 1,), the explained word and ε, and returns
(logit, relevance of the words (t + 1,), relevance of the regions (R, D)).
"""

import numpy as np

from tests.attribution.loops import (
    Memory,
    Vector,
    Weights,
    sigmoid,
    softmax,
    through_linear,
    through_mean,
    through_rows,
    through_sum,
)

Relevance = tuple[float, Vector, Vector]


def _layer(weights: Weights, name: str) -> tuple[Vector, Vector]:
    weight = weights[f"{name}.weight"]
    return weight, weights.get(f"{name}.bias", np.zeros(len(weight)))


def _apply(weights: Weights, name: str, x: Vector) -> Vector:
    weight, bias = _layer(weights, name)
    return x @ weight.T + bias


def _seed(weights: Weights, output: Vector, word: int, epsilon: float) -> tuple[float, Vector]:
    """The logit of a word, and R of what the vocabulary layer reads."""
    logits = _apply(weights, "vocabulary_layer", output)
    relevance = np.zeros_like(logits)
    relevance[word] = logits[word]
    return logits[word], through_linear(output, *_layer(weights, "vocabulary_layer"), relevance, epsilon)


def _scores(weights: Weights, values: Vector, query: Vector) -> Vector:
    keys = _apply(weights, "attention.key", values)
    return np.array([weights["attention.score.weight"][0] @ np.tanh(key + query) for key in keys])


def soft(weights: Weights, regions: Vector, tokens: Vector, word: int, epsilon: float) -> Relevance:
    mean = regions.mean(0)
    start_hidden, start_cell = _apply(weights, "start_hidden", mean), _apply(weights, "start_cell", mean)
    hidden, cell = np.tanh(start_hidden), np.tanh(start_cell)
    lstm, steps = Memory(weights, "lstm", (0, 1)), []
    for token in tokens:
        attention = softmax(_scores(weights, regions, _apply(weights, "attention.query", hidden)))
        context = np.sum([a * region for a, region in zip(attention, regions, strict=True)], 0)
        gated = sigmoid(_apply(weights, "context_gate", hidden)) * context
        moment = lstm.forward([weights["embedding.weight"][token], gated], hidden, cell)
        hidden, cell = moment.hidden, moment.cell
        steps.append((attention, moment))

    embedded, gated = steps[-1][1].x
    joined = np.concatenate([embedded, hidden, gated])
    parts = np.eye(len(embedded)), weights["output_hidden.weight"], weights["output_context.weight"]
    matrix = np.concatenate(parts, 1)
    logit, on_output = _seed(weights, matrix @ joined + weights["output_hidden.bias"], word, epsilon)
    on_joined = through_linear(joined, matrix, weights["output_hidden.bias"], on_output, epsilon)
    on_word, on_hidden, on_gated = np.split(on_joined, np.cumsum([len(embedded), len(hidden)]))

    on_words, on_regions, on_cell = np.zeros(len(tokens)), np.zeros_like(regions), np.zeros_like(hidden)
    for t in reversed(range(len(tokens))):
        attention, moment = steps[t]
        (on_embedded, on_context), on_hidden, on_cell = lstm.back(moment, on_hidden, on_cell, epsilon)
        on_words[t] = (on_embedded + (on_word if t == len(tokens) - 1 else 0)).sum()
        on_context = on_context + (on_gated if t == len(tokens) - 1 else 0)
        attended = [a * region for a, region in zip(attention, regions, strict=True)]
        on_regions += np.stack(through_sum(attended, on_context, epsilon))
    on_mean = through_linear(mean, *_layer(weights, "start_hidden"), on_hidden, epsilon)
    on_mean = on_mean + through_linear(mean, *_layer(weights, "start_cell"), on_cell, epsilon)
    return logit, on_words, on_regions + through_mean(regions, on_mean, epsilon)


def _adaptive_module(weights: Weights, hidden: Vector, sentinel: Vector, values: Vector) -> tuple[Vector, list[Vector]]:
    """ĉ and the parts it is the sum of: (1 − β) α_i v_i, and β s last."""
    query = _apply(weights, "attention.query", hidden)
    last = weights["attention.score.weight"][0] @ np.tanh(_apply(weights, "attention.sentinel", sentinel) + query)
    share = softmax(np.append(_scores(weights, values, query), last))
    parts = [a * part for a, part in zip(share, [*values, sentinel], strict=True)]
    return np.sum(parts, 0), parts


def _project(weights: Weights, regions: Vector) -> tuple[Vector, Vector]:
    values = np.maximum(_apply(weights, "project_region", regions), 0)
    return values, np.maximum(_apply(weights, "project_global", regions.mean(0)), 0)


def _to_regions(weights: Weights, regions: Vector, on_values: Vector, on_global: Vector, epsilon: float) -> Vector:
    on_regions = through_rows(regions, *_layer(weights, "project_region"), on_values, epsilon)
    on_mean = through_linear(regions.mean(0), *_layer(weights, "project_global"), on_global, epsilon)
    return on_regions + through_mean(regions, on_mean, epsilon)


def adaptive(weights: Weights, regions: Vector, tokens: Vector, word: int, epsilon: float) -> Relevance:
    values, pooled = _project(weights, regions)
    lstm, steps = Memory(weights, "lstm", (0, 1), sentinel=True), []
    hidden = cell = np.zeros(values.shape[1])
    for token in tokens:
        moment = lstm.forward([weights["embedding.weight"][token], pooled], hidden, cell)
        hidden, cell = moment.hidden, moment.cell
        steps.append(moment)
    assert moment.sentinel is not None
    context, parts = _adaptive_module(weights, hidden, moment.sentinel, values)

    logit, on_output = _seed(weights, context + hidden, word, epsilon)
    on_context, on_hidden = through_sum([context, hidden], on_output, epsilon)
    *on_values, on_sentinel = through_sum(parts, on_context, epsilon)
    on_hidden = on_hidden + on_sentinel
    on_words, on_global, on_cell = np.zeros(len(tokens)), np.zeros_like(pooled), np.zeros_like(hidden)
    for t in reversed(range(len(tokens))):
        (on_word, on_pooled), on_hidden, on_cell = lstm.back(steps[t], on_hidden, on_cell, epsilon)
        on_words[t], on_global = on_word.sum(), on_global + on_pooled
    return logit, on_words, _to_regions(weights, regions, np.stack(on_values), on_global, epsilon)


def gridtd(weights: Weights, regions: Vector, tokens: Vector, word: int, epsilon: float) -> Relevance:
    values, pooled = _project(weights, regions)
    lower, upper = Memory(weights, "lstm", (0, 1, 2), sentinel=True), Memory(weights, "language", (0, 1))
    zeros, steps = np.zeros(values.shape[1]), []
    hidden1, cell1, hidden2, cell2 = zeros, zeros, zeros, zeros
    for token in tokens:
        first = lower.forward([weights["embedding.weight"][token], pooled, hidden2], hidden1, cell1)
        assert first.sentinel is not None
        context, parts = _adaptive_module(weights, first.hidden, first.sentinel, values)
        second = upper.forward([context, first.hidden], hidden2, cell2)
        hidden1, cell1, hidden2, cell2 = first.hidden, first.cell, second.hidden, second.cell
        steps.append((first, parts, second))

    logit, on_output = _seed(weights, context + hidden2, word, epsilon)
    on_context, on_hidden2 = through_sum([context, hidden2], on_output, epsilon)
    on_hidden1, on_cell1, on_cell2, on_global = zeros, zeros, zeros, zeros
    on_words, on_values = np.zeros(len(tokens)), np.zeros_like(values)
    for t in reversed(range(len(tokens))):
        first, parts, second = steps[t]
        (attended, below), on_hidden2, on_cell2 = upper.back(second, on_hidden2, on_cell2, epsilon)
        *to_values, to_sentinel = through_sum(parts, on_context + attended, epsilon)
        on_values += np.stack(to_values)
        on_hidden1 = on_hidden1 + below + to_sentinel
        (on_word, to_global, before), on_hidden1, on_cell1 = lower.back(first, on_hidden1, on_cell1, epsilon)
        on_hidden2, on_global, on_words[t] = on_hidden2 + before, on_global + to_global, on_word.sum()
        on_context = zeros
    return logit, on_words, _to_regions(weights, regions, on_values, on_global, epsilon)


def _heads(
    weights: Weights, name: str, query: Vector, keys: Vector, values: Vector, heads: int
) -> tuple[Vector, list[Vector]]:
    """Multi-head context of one query, and the parts α_i v_i it is the sum of."""
    q, k = _apply(weights, f"{name}.query", query), _apply(weights, f"{name}.key", keys)
    parts = [np.zeros(values.shape[1]) for _ in values]
    for q_head, k_head, columns in zip(
        np.split(q, heads), np.split(k, heads, 1), np.split(np.arange(values.shape[1]), heads), strict=True
    ):
        attention = softmax(k_head @ q_head / np.sqrt(len(q_head)))
        for part, a, value in zip(parts, attention, values, strict=True):
            part[columns] = a * value[columns]
    return np.sum(parts, 0), parts


def _gated(weights: Weights, name: str, context: Vector, query: Vector) -> Vector:
    gate, _ = _layer(weights, f"{name}.gate")
    joined = np.concatenate([context, query])
    both = gate.shape[1] == len(joined)
    opened = sigmoid(_apply(weights, f"{name}.gate", joined if both else query))
    return opened * _apply(weights, f"{name}.linear", joined if both else context)


def _through_gated(
    weights: Weights, name: str, context: Vector, query: Vector, relevance: Vector, epsilon: float
) -> tuple[Vector, Vector]:
    """R of context and query."""
    matrix, bias = _layer(weights, f"{name}.linear")
    if matrix.shape[1] == len(context):
        return through_linear(context, matrix, bias, relevance, epsilon), np.zeros_like(query)
    on_inputs = through_linear(np.concatenate([context, query]), matrix, bias, relevance, epsilon)
    return on_inputs[: len(context)], on_inputs[len(context) :]


class _LayerNorm:
    """Of rows (R, D): the linear map that it is for each, its standard deviation being a constant."""

    def __init__(self, weights: Weights, name: str, before: Vector):
        self.before, centre = before, np.eye(before.shape[1]) - 1 / before.shape[1]
        scale, self.shift = _layer(weights, name)
        deviations = np.sqrt((before @ centre).var(1) + 1e-5)
        self.matrices = [scale[:, None] * centre / deviation for deviation in deviations]
        self.x = np.stack([matrix @ v + self.shift for matrix, v in zip(self.matrices, before, strict=True)])

    def back(self, relevance: Vector, epsilon: float) -> Vector:
        rows = zip(self.before, self.matrices, relevance, strict=True)
        return np.stack([through_linear(v, matrix, self.shift, r, epsilon) for v, matrix, r in rows])


class _Refiner:
    """V + AoA(self-attention over LayerNorm(V))."""

    def __init__(self, weights: Weights, name: str, before: Vector, heads: int):
        self.weights, self.name, self.before = weights, name, before
        self.norm = _LayerNorm(weights, f"{name}.norm", before)
        self.x = self.norm.x
        self.values = _apply(weights, f"{name}.attention.value", self.x)
        self.heads = [_heads(weights, f"{name}.attention", x, self.x, self.values, heads) for x in self.x]
        gated = [_gated(weights, f"{name}.gated", c, x) for (c, _), x in zip(self.heads, self.x, strict=True)]
        self.gated = np.stack(gated)
        self.after = before + self.gated

    def back(self, relevance: Vector, epsilon: float) -> Vector:
        on_sentence, on_x, on_values = np.zeros_like(self.x), np.zeros_like(self.x), np.zeros_like(self.x)
        for i, (context, parts) in enumerate(self.heads):
            on_sentence[i], on_gated = through_sum([self.before[i], self.gated[i]], relevance[i], epsilon)
            name = f"{self.name}.gated"
            on_context, on_query = _through_gated(self.weights, name, context, self.x[i], on_gated, epsilon)
            on_x[i] += on_query
            on_values += np.stack(through_sum(parts, on_context, epsilon))
        on_x += through_rows(self.x, *_layer(self.weights, f"{self.name}.attention.value"), on_values, epsilon)
        return on_sentence + self.norm.back(on_x, epsilon)


def aoa(weights: Weights, regions: Vector, tokens: Vector, word: int, epsilon: float, heads: int = 2) -> Relevance:
    values = np.maximum(_apply(weights, "project_region", regions), 0)
    refiners: list[_Refiner] = []
    while f"refiner.{len(refiners)}.norm.weight" in weights:
        refiners.append(_Refiner(weights, f"refiner.{len(refiners)}", values, heads))
        values = refiners[-1].after
    summed_values, pooled = _apply(weights, "attention.value", values), values.mean(0)
    lstm, steps = Memory(weights, "lstm", (0, 1, 1)), []
    hidden = cell = context = np.zeros(values.shape[1])
    for token in tokens:
        moment = lstm.forward([weights["embedding.weight"][token], pooled, context], hidden, cell)
        hidden, cell = moment.hidden, moment.cell
        summed, parts = _heads(weights, "attention", hidden, values, summed_values, heads)
        context = _gated(weights, "gated", summed, hidden)
        steps.append((moment, summed, parts))

    logit, on_output = _seed(weights, context + hidden, word, epsilon)
    on_context, on_hidden = through_sum([context, hidden], on_output, epsilon)
    on_words, on_summed_values = np.zeros(len(tokens)), np.zeros_like(values)
    on_cell, on_pooled = np.zeros_like(hidden), np.zeros_like(pooled)
    for t in reversed(range(len(tokens))):
        moment, summed, parts = steps[t]
        on_summed, on_query = _through_gated(weights, "gated", summed, moment.hidden, on_context, epsilon)
        on_summed_values += np.stack(through_sum(parts, on_summed, epsilon))
        on_x, on_hidden, on_cell = lstm.back(moment, on_hidden + on_query, on_cell, epsilon)
        on_words[t], on_pooled, on_context = on_x[0].sum(), on_pooled + on_x[1], on_x[2]
    on_values = through_rows(values, *_layer(weights, "attention.value"), on_summed_values, epsilon)
    on_values = on_values + through_mean(values, on_pooled, epsilon)
    for refiner in reversed(refiners):
        on_values = refiner.back(on_values, epsilon)
    return logit, on_words, through_rows(regions, *_layer(weights, "project_region"), on_values, epsilon)


class _DecoderLayer:
    """Words (T, E) that look at earlier words, at the memory (R, E) of the image, and at themselves."""

    def __init__(self, weights: Weights, name: str, before: Vector, memory: Vector, heads: int):
        self.weights, self.name, self.before, self.memory = weights, name, before, memory
        self.words_norm = _LayerNorm(weights, f"{name}.words_norm", before)
        values = self._apply("words.value", self.words_norm.x)
        rows = enumerate(self.words_norm.x)
        self.words = [
            _heads(weights, f"{name}.words", x, self.words_norm.x[: i + 1], values[: i + 1], heads) for i, x in rows
        ]
        self.reminded = self._apply("words_output", np.stack([summed for summed, _ in self.words]))
        self.middle = before + self.reminded
        self.image_norm = _LayerNorm(weights, f"{name}.image_norm", self.middle)
        values = self._apply("image.value", memory)
        self.image = [_heads(weights, f"{name}.image", x, memory, values, heads) for x in self.image_norm.x]
        self.context = self._apply("image_output", np.stack([summed for summed, _ in self.image]))
        self.late = self.middle + self.context
        self.hidden_norm = _LayerNorm(weights, f"{name}.hidden_norm", self.late)
        self.hidden = np.maximum(self._apply("widen", self.hidden_norm.x), 0)
        self.thought = self._apply("narrow", self.hidden)
        self.after = self.late + self.thought

    def _apply(self, name: str, x: Vector) -> Vector:
        return _apply(self.weights, f"{self.name}.{name}", x)

    def _back(self, name: str, x: Vector, relevance: Vector, epsilon: float) -> Vector:
        return through_rows(x, *_layer(self.weights, f"{self.name}.{name}"), relevance, epsilon)

    def back(self, relevance: Vector, epsilon: float) -> tuple[Vector, Vector]:
        """R of the words before and of the memory."""
        on_late, on_thought = through_sum_of_rows([self.late, self.thought], relevance, epsilon)
        on_hidden = self._back("narrow", self.hidden, on_thought, epsilon)
        on_normed = self._back("widen", self.hidden_norm.x, on_hidden, epsilon)
        on_late = on_late + self.hidden_norm.back(on_normed, epsilon)

        on_middle, on_context = through_sum_of_rows([self.middle, self.context], on_late, epsilon)
        on_summed = self._back("image_output", np.stack([summed for summed, _ in self.image]), on_context, epsilon)
        on_values = np.zeros_like(self.memory)
        for (_, parts), r in zip(self.image, on_summed, strict=True):
            on_values += np.stack(through_sum(parts, r, epsilon))
        on_memory = self._back("image.value", self.memory, on_values, epsilon)

        on_before, on_reminded = through_sum_of_rows([self.before, self.reminded], on_middle, epsilon)
        on_summed = self._back("words_output", np.stack([summed for summed, _ in self.words]), on_reminded, epsilon)
        on_values = np.zeros_like(self.before)
        for i, ((_, parts), r) in enumerate(zip(self.words, on_summed, strict=True)):
            on_values[: i + 1] += np.stack(through_sum(parts, r, epsilon))
        on_normed = self._back("words.value", self.words_norm.x, on_values, epsilon)
        return on_before + self.words_norm.back(on_normed, epsilon), on_memory


def through_sum_of_rows(parts: list[Vector], relevance: Vector, epsilon: float) -> list[Vector]:
    """`through_sum` of each row of parts (R, D)."""
    rows = [through_sum(list(row), r, epsilon) for *row, r in zip(*parts, relevance, strict=True)]
    return [np.stack(part) for part in zip(*rows, strict=True)]


def transformer(
    weights: Weights, regions: Vector, tokens: Vector, word: int, epsilon: float, heads: int = 2
) -> Relevance:
    projected = _apply(weights, "project_region", regions)
    memory = _LayerNorm(weights, "region_norm", projected)
    pooled = _apply(weights, "project_global", regions.mean(0))
    embedded = weights["embedding.weight"][tokens] * np.sqrt(len(pooled))
    summed = [embedded, weights["positions.weight"][: len(tokens)], np.stack([pooled] * len(tokens))]
    x = np.sum(summed, 0)
    layers: list[_DecoderLayer] = []
    while f"layers.{len(layers)}.widen.weight" in weights:
        layers.append(_DecoderLayer(weights, f"layers.{len(layers)}", x, memory.x, heads))
        x = layers[-1].after
    norm = _LayerNorm(weights, "output_norm", x)

    on_normed, on_memory = np.zeros_like(x), np.zeros_like(memory.x)
    logit, on_normed[-1] = _seed(weights, norm.x[-1], word, epsilon)
    on_x = norm.back(on_normed, epsilon)
    for layer in reversed(layers):
        on_x, more = layer.back(on_x, epsilon)
        on_memory += more
    on_words, _, on_pooled = through_sum_of_rows(summed, on_x, epsilon)
    on_projected = memory.back(on_memory, epsilon)
    on_regions = through_rows(regions, *_layer(weights, "project_region"), on_projected, epsilon)
    on_mean = through_linear(regions.mean(0), *_layer(weights, "project_global"), on_pooled.sum(0), epsilon)
    return logit, on_words.sum(1), on_regions + through_mean(regions, on_mean, epsilon)
