"""One object of a picture's captions becomes another.

K captions, T words, C categories.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from whysaid.data.object_words import ObjectWords, plural
from whysaid.data.vocabulary import Vocabulary

Tokens = NDArray[np.int64]
Labels = NDArray[np.bool_]

ARTICLES, VOWELS = ("a", "an"), "aeiou"


class Swaps:
    """Draws which object becomes which, and writes it into captions and labels.

    A word is swapped for the other category's own name, in the same number; only words that name an object by
    themselves are, and categories whose name is one word of the vocabulary.

    Args:
        words: the table of object words.
        vocabulary: of the captions.
        pictures: the categories in each training picture.
        rare: draw the new object by how seldom it comes with the others, 1 / (1 + pictures with both), rather than
            evenly (Biten et al. 2022, inverse multinomial and uniform sampling).
    """

    def __init__(
        self, words: ObjectWords, vocabulary: Vocabulary, pictures: Iterable[Iterable[str]], rare: bool = True
    ):
        self.vocabulary, self.rare = vocabulary, rare
        rows = {category: row for row, category in enumerate(words.categories)}
        self.names: dict[int, tuple[int, int]] = {}  # category → its name in the singular and in the plural
        for category, row in rows.items():
            singular, several = category, plural(category)
            if singular in vocabulary:
                index = vocabulary.index
                self.names[row] = index[singular], index.get(several, index[singular])
        self.own: dict[int, tuple[int, bool]] = {}  # word → the category that it names by itself, and whether several
        single = {form[0]: category for form, category in words.forms.items() if len(form) == 1 and category}
        singulars = {word for word in single if plural(word) in single}
        for word, category in single.items():
            if word in vocabulary:
                self.own[vocabulary.index[word]] = rows[category], word not in singulars
        first = {form[0] for form, category in words.forms.items() if len(form) > 1 and category}
        self.ambiguous = {vocabulary.index[word] for word in first if word in vocabulary}
        together = np.zeros((len(rows), len(rows)))
        for objects in pictures:
            places = [rows[category] for category in objects]
            together[np.ix_(places, places)] += 1
        self.together = together

    def __call__(self, captions: Tokens, labels: Labels) -> tuple[Tokens, Labels] | None:
        """Gives captions (K, T) and labels (C,) of one picture with an object swapped; None where none can be.

        Drawn with torch's global generator.
        """
        named = {self.own[word][0] for word in captions.flatten().tolist() if word in self.own}
        old = [category for category in sorted(named) if labels[category]]
        new = [category for category in self.names if not labels[category] and category not in named]
        if not old or not new or self.ambiguous & set(captions.flatten().tolist()):
            return None
        before = old[int(torch.randint(len(old), ()))]
        others = [int(category) for category in np.flatnonzero(labels) if category != before]
        after = new[int(torch.multinomial(torch.from_numpy(self._chances(new, others)), 1))]
        changed, told = captions.copy(), labels.copy()
        told[before], told[after] = False, True
        for caption in changed:
            self._write(caption, before, after)
        return changed, told

    def _chances(self, new: Sequence[int], others: Sequence[int]) -> NDArray[np.float64]:
        """Weights of the new objects beside the others that stay."""
        if not self.rare or not len(others):
            return np.ones(len(new))
        return np.asarray(1 / (1 + self.together[np.ix_(new, others)].sum(1)))

    def _write(self, caption: Tokens, before: int, after: int) -> None:
        """Puts one category's name in place of another's, and `a` or `an` before it as its first letter asks."""
        for place, word in enumerate(caption.tolist()):
            category, several = self.own.get(word, (None, False))
            if category == before:
                name = self.names[after][several]
                caption[place] = name
                article = ARTICLES[self.vocabulary.words[name][0] in VOWELS]
                if self.vocabulary.words[caption[place - 1]] in ARTICLES and article in self.vocabulary:
                    caption[place - 1] = self.vocabulary.index[article]
