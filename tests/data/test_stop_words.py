from whysaid.data.captions.stop_words import STOP_WORDS
from whysaid.data.object_words import coco_objects
from whysaid.metrics.caption_statistics import BAD_ENDINGS


def test_words_and_nothing_else():
    assert all(isinstance(word, str) and word == word.lower().strip() and word for word in STOP_WORDS)
    assert {"on", "off", "no"} <= STOP_WORDS  # which YAML reads as booleans unless they are quoted
    assert BAD_ENDINGS <= STOP_WORDS


def test_no_stop_word_names_an_object():
    table = coco_objects()
    assert not [word for word in STOP_WORDS if table.mentioned(word)]
