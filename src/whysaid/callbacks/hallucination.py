"""Which objects captions speak of rightly, word by word."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.caption_metrics import caption_metrics_of
from whysaid.callbacks.media import log_figures, log_step
from whysaid.data.captions.datamodule import CaptionData
from whysaid.figures.bars import bars
from whysaid.metrics.hallucination import Hallucination, WordScore, word_scores

RIGHT, WRONG = "in the image", "hallucinated"


class HallucinatedWords(Callback):
    """After every validation and the test, precision and recall of each object word and a picture of the worst.

    Logs `<split>/precision_<word>` and `<split>/recall_<word>` of the words that are predicted, and that are present,
    in enough images, and the bars `<split>/hallucinated_words` of those that are hallucinated most often, which are
    also `figures/hallucinated_words_<split>.png`. Captions are those that CaptionMetrics keeps, wherever it stands
    among the callbacks. Nothing is done where the data name no objects.

    Args:
        folder: the run directory.
        metric: what counts as an object, what says that it is there, and how many images are enough.
        words: bars in the picture.
    """

    def __init__(self, folder: str, metric: Hallucination, words: int = 12):
        self.folder, self.metric, self.words = Path(folder), metric, words

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        caption_metrics_of(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._log(trainer, "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._log(trainer, trainer.datamodule.evaluated)  # type: ignore[attr-defined]

    def _log(self, trainer: pl.Trainer, split: str) -> None:
        data: CaptionData = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or data.object_words is None:
            return
        found = word_scores(self.metric.records(caption_metrics_of(trainer).captions, data.references(split)))
        values = self._values(found, split)
        for logger in trainer.loggers:
            if values:
                logger.log_metrics(values, log_step(trainer))
        worst = {name: word for name, word in list(found.items())[: self.words] if word.true < word.predicted}
        if worst:
            figure = bars({name: _bars(word) for name, word in worst.items()}, "captions")
            log_figures(trainer, f"{split}/hallucinated_words", {f"hallucinated_words_{split}": figure}, self.folder)

    def _values(self, found: dict[str, WordScore], split: str) -> dict[str, float]:
        values = {}
        for name, word in found.items():
            key = name.replace(" ", "_")
            if word.precision is not None and word.predicted >= self.metric.min_count:
                values[f"{split}/precision_{key}"] = word.precision
            if word.recall is not None and word.present >= self.metric.min_count:
                values[f"{split}/recall_{key}"] = word.recall
        return values


def _bars(word: WordScore) -> dict[str, tuple[float, float, float]]:
    """How many captions mention it rightly and wrongly, without intervals."""
    wrong = word.predicted - word.true
    return {RIGHT: (word.true,) * 3, WRONG: (wrong,) * 3}
