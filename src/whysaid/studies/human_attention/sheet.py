"""The answers that are worth a look, with people's maps and the methods'."""

import numpy as np
from matplotlib.figure import Figure

from whysaid.data.questions.hat import HumanMaps
from whysaid.figures.attention_sheet import attention_sheet
from whysaid.metrics.human_attention import squared
from whysaid.studies.human_attention.answers import Asked, ExplainedAnswer
from whysaid.tasks.answerer import Answerer


def sheet_kind(asked: Asked, answer: ExplainedAnswer | None, low: float, high: float) -> str | None:
    """`sure_wrong` of a wrong answer whose confidence is above `high`, `unsure_correct` of a right one whose confidence
    is below `low`; None of all others."""
    if answer is not None and answer.predicted != asked.right and answer.confidence > high:
        return "sure_wrong"
    if answer is not None and answer.predicted == asked.right and answer.confidence < low:
        return "unsure_correct"
    return None


def answer_sheet(
    task: Answerer, asked: Asked, looks: HumanMaps, label: str, answer: ExplainedAnswer, size: int
) -> Figure:
    """The photo under people's mean map, on squares of `size` pixels, and under each method's map of each answer."""
    names = [f"right: {task.answers.answers[asked.right]}"]
    if answer.predicted != asked.right:
        names.append(f"said: {task.answers.answers[answer.predicted]}")
    image = task.model.encoder.preprocessing.inverse(answer.pixels).permute(1, 2, 0).cpu().numpy()
    people = np.concatenate([squared(looked, size) for looked in looks.maps]).mean(0)
    return attention_sheet(image, names, {label: people}, answer.maps)
