"""Logs which objects captions mention rightly and wrongly, word by word."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from whysaid.callbacks.caption_metrics import caption_metrics_of
from whysaid.callbacks.lightning import data_of, log_step, tested_split
from whysaid.callbacks.media import log_figures
from whysaid.data.captions.datamodule import CaptionData
from whysaid.figures.bars import bars
from whysaid.metrics.hallucination import Hallucination, WordScore, word_scores

RIGHT, WRONG = "in the image", "hallucinated"


class HallucinatedWords(Callback):
    """Logs precision and recall of each object word, and a picture of the worst, after every validation and the test.

    `<split>/precision_<word>` is logged of words that are predicted in enough images, `<split>/recall_<word>` of those
    that are present in enough. The bars `<split>/hallucinated_words` show the words that are hallucinated most often;
    they are also written to `figures/hallucinated_words_<split>.png`. Captions are those that `CaptionMetrics` keeps,
    wherever it stands among the callbacks. Nothing is done where the data name no objects, or have no references.

    Args:
        folder: the run directory.
        metric: tells what counts as an object, what says that it is there, and how many images are enough.
        words: how many bars the picture has at most.
    """

    def __init__(self, folder: str, metric: Hallucination, words: int = 12):
        self.folder, self.metric, self.words = Path(folder), metric, words

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        caption_metrics_of(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._log(trainer, "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._log(trainer, tested_split(trainer))

    def _log(self, trainer: pl.Trainer, split: str) -> None:
        data: CaptionData = data_of(trainer)
        if not trainer.is_global_zero or data.object_words is None:
            return
        references = data.references(split)
        if not any(references.values()):
            return
        scores = word_scores(self.metric.records(caption_metrics_of(trainer).captions, references))
        values = self._values(scores, split)
        for logger in trainer.loggers:
            if values:
                logger.log_metrics(values, log_step(trainer))
        worst = {name: score for name, score in list(scores.items())[: self.words] if score.true < score.predicted}
        if worst:
            number = len(caption_metrics_of(trainer).captions)
            note = f"How many of {number} captions of {split} images name the object; hallucinated: it is not there."
            figure = bars({name: _bars(score) for name, score in worst.items()}, "captions", note=note)
            log_figures(trainer, f"{split}/hallucinated_words", {f"hallucinated_words_{split}": figure}, self.folder)

    def _values(self, scores: dict[str, WordScore], split: str) -> dict[str, float]:
        """Returns what is logged of the words that enough images are about."""
        values = {}
        for name, score in scores.items():
            key = name.replace(" ", "_")
            if score.precision is not None and score.predicted >= self.metric.min_count:
                values[f"{split}/precision_{key}"] = score.precision
            if score.recall is not None and score.present >= self.metric.min_count:
                values[f"{split}/recall_{key}"] = score.recall
        return values


def _bars(score: WordScore) -> dict[str, tuple[float, float, float]]:
    """Returns how many captions mention a word rightly and wrongly, as bars whose intervals are empty."""
    wrong = score.predicted - score.true
    return {RIGHT: (score.true,) * 3, WRONG: (wrong,) * 3}
