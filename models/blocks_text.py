"""Text: words counted, hashed, or looked up in a lexicon of sentiment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from models.steps import require, require_columns

TEXT = ("string",)


@dataclass(frozen=True)
class Words:
    """How often each word, or each run of words, stands in a text; a missing text is an empty one.

    Words are scikit-learn's: two or more letters or digits, in lower case.

    Attributes:
        column: The column of texts.
        ngrams: Fewest and most words of a run.
        min_rows: Words in fewer rows of the training split are passed over, as unknown ones are; at least 1.
        max_words: At most so many, those that occur most; None for all.
        stop_words: Whether English words such as "the" are passed over.
    """

    column: str
    ngrams: tuple[int, int] = (1, 1)
    min_rows: int = 1
    max_words: int | None = None
    stop_words: bool = False
    takes: ClassVar = TEXT

    def __post_init__(self) -> None:
        require_columns(self)
        runs = len(self.ngrams) == 2 and 1 <= self.ngrams[0] <= self.ngrams[1]
        require(runs, self, f"ngrams are {self.ngrams!r}.", "give fewest and most words, e.g. (1, 2)")
        limits = self.min_rows >= 1 and (self.max_words is None or self.max_words >= 1)
        require(limits, self, f"min_rows is {self.min_rows}, max_words {self.max_words}.", "give at least 1")

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def vectorizer(self, **options: object) -> CountVectorizer:
        """scikit-learn's, with the words still to be found."""
        stop_words = "english" if self.stop_words else None
        return CountVectorizer(ngram_range=self.ngrams, stop_words=stop_words, dtype=np.float64, **options)


@dataclass(frozen=True)
class Counts(Words):
    """Fitted `Words`.

    Attributes:
        words: Those of the training split, sorted.
    """

    words: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The words."""
        return self.words

    @cached_property
    def _vectorizer(self) -> CountVectorizer:
        return self.vectorizer(vocabulary=self.words)

    def encode(self, frame: pl.DataFrame) -> sparse.csr_array:
        """Shape (n, words), sparse."""
        counts = sparse.csr_array(self._vectorizer.transform(texts(frame, self.column)))
        counts.sort_indices()
        return counts


@dataclass(frozen=True)
class HashedWords:
    """Words counted in a fixed number of columns, chosen by a hash: nothing to learn, no word unknown.

    Attributes:
        column: The column of texts.
        buckets: Number of columns; words that share one are not told apart.
        ngrams: Fewest and most words of a run.
    """

    column: str
    buckets: int = 1024
    ngrams: tuple[int, int] = (1, 1)
    takes: ClassVar = TEXT

    def __post_init__(self) -> None:
        require_columns(self)
        runs = len(self.ngrams) == 2 and 1 <= self.ngrams[0] <= self.ngrams[1]
        require(runs, self, f"ngrams are {self.ngrams!r}.", "give fewest and most words, e.g. (1, 2)")
        require(self.buckets >= 1, self, f"buckets is {self.buckets}.", "give at least 1")

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        """``<column>#<bucket>``."""
        return tuple(f"{self.column}#{n}" for n in range(self.buckets))

    @cached_property
    def _vectorizer(self) -> HashingVectorizer:
        return HashingVectorizer(n_features=self.buckets, ngram_range=self.ngrams, alternate_sign=False, norm=None)

    def encode(self, frame: pl.DataFrame) -> sparse.csr_array:
        """Shape (n, buckets), sparse."""
        counts = sparse.csr_array(self._vectorizer.transform(texts(frame, self.column)), dtype=np.float64)
        counts.sort_indices()
        return counts


POSITIVE_WORDS = tuple(
    """amazing beautiful best brilliant charming clever delight delightful enjoyed excellent fantastic favorite fun
    funny gem good great happy heartwarming impressive joy like liked love loved lovely masterpiece moving nice
    perfect pleasant recommend smart stunning superb thrilling touching warm wonderful worth""".split()  # noqa: SIM905  # a text is read, a list is not
)
NEGATIVE_WORDS = tuple(
    """annoying awful bad boring clumsy confusing disappointed disappointing dull dumb empty fail failed flat hate
    hated horrible lame lazy mediocre mess miserable pointless poor predictable sad slow stupid terrible tedious
    ugly unfunny waste wasted weak worse worst""".split()  # noqa: SIM905  # a text is read, a list is not
)
ENGLISH = tuple(sorted({**dict.fromkeys(POSITIVE_WORDS, 1.0), **dict.fromkeys(NEGATIVE_WORDS, -1.0)}.items()))
"""A small lexicon of our own: words with 1 or -1."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


@dataclass(frozen=True)
class Sentiment:
    """What words of a lexicon say: the shares of a text's words that are positive and negative, and the mean score.

    Attributes:
        column: The column of texts; a missing text is an empty one, which scores 0.
        lexicon: Lower-case words with their scores.
    """

    column: str
    lexicon: tuple[tuple[str, float], ...] = ENGLISH
    takes: ClassVar = TEXT

    def __post_init__(self) -> None:
        require_columns(self)
        lower = bool(self.lexicon) and all(word == word.lower() for word, _ in self.lexicon)
        require(lower, self, f"The lexicon has {len(self.lexicon)} words.", "give words in lower case, with scores")

    @property
    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    @property
    def columns(self) -> tuple[str, ...]:
        """``<column>:positive``, ``:negative``, ``:score``."""
        return tuple(f"{self.column}:{what}" for what in ("positive", "negative", "score"))

    @cached_property
    def _scores(self) -> Mapping[str, float]:
        return dict(self.lexicon)

    def encode(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (n, 3)."""
        return np.array([self._of(text) for text in texts(frame, self.column)]).reshape(-1, 3)

    def _of(self, text: str) -> tuple[float, float, float]:
        words = _WORD.findall(text.lower())
        scores = [self._scores.get(word, 0.0) for word in words]
        n = max(len(words), 1)
        return sum(s > 0 for s in scores) / n, sum(s < 0 for s in scores) / n, sum(scores) / n


def texts(frame: pl.DataFrame, column: str) -> Iterable[str]:
    """The texts of a column, empty where missing."""
    return frame[column].fill_null("").to_list()
