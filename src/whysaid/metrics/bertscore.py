"""BERTScore, by the library of its authors."""

import warnings
from pathlib import Path

from bert_score import BERTScorer

from whysaid.metrics.score import Hypotheses, References, Score, Unavailable


class BERTScore:
    """BERTScore (Zhang et al. 2020), F_BERT of Table 1 of Sun et al. 2020: precision, recall and F1, mean over images.

    Words are weighted by inverse document frequency over the references given, so a word that every reference holds
    weighs nothing: score many images at once. A hypothesis counts with the best of
    its references; an empty one scores 0. Values lie in [−1, 1], in practice in [0, 1]; they compare between runs of
    one model only.

    Args:
        model: folder or `transformers` name of the encoder.
        num_layers: which layer's word vectors are compared, counted from 1.
        batch_size: sentences per pass.
        device: torch device; None is the GPU where there is one.
    """

    names = ("BERTScore-P", "BERTScore-R", "BERTScore-F1")

    def __init__(self, model: Path | str, num_layers: int, batch_size: int = 64, device: str | None = None):
        self.model = str(model)
        self.num_layers = num_layers
        self.batch_size = batch_size
        self.device = device
        self._loaded: BERTScorer | None = None

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        scorer = self._scorer()
        written = {i: [caption for caption in references[i] if caption.strip()] for i in hypotheses}
        scorable = [i for i, caption in hypotheses.items() if caption.strip() and written[i]]
        per_name: list[dict[int, float]] = [dict.fromkeys(hypotheses, 0.0) for _ in self.names]
        if scorable:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "Overwriting the previous importance weights": as intended
                scorer.compute_idf([caption for captions in written.values() for caption in captions])
            candidates = [hypotheses[i] for i in scorable]
            values = scorer.score(candidates, [written[i] for i in scorable], batch_size=self.batch_size)
            for per_image, column in zip(per_name, values, strict=True):
                per_image.update(zip(scorable, column.tolist(), strict=True))
        return {
            name: Score(sum(per_image.values()) / len(per_image), per_image)
            for name, per_image in zip(self.names, per_name, strict=True)
        }

    def _scorer(self) -> BERTScorer:
        if self._loaded is None:
            try:
                # nthreads=0: worker processes forked beside a GPU or Lightning's own hang.
                self._loaded = BERTScorer(
                    self.model, self.num_layers, idf=True, nthreads=0, device=self.device, batch_size=self.batch_size
                )
            except (OSError, ValueError) as error:
                reason = f"the encoder {self.model} could not be loaded ({str(error).splitlines()[0]})"
                raise Unavailable(reason, "download it first or use `embedder=minilm`") from error
        return self._loaded
