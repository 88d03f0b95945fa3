"""Every error of models: one class per code, in the form of `feature_groups.store.errors`.

    AlluviaError
    └── rankers        M100 CataloguesDiffer · M101 StatisticsOverflow · M102 NothingToLearn · M103 RankerMisused

The printed form is the same as there.
"""

from __future__ import annotations

from feature_groups.store.errors import AlluviaError


class CataloguesDiffer(AlluviaError):
    """Things made over different films are put together."""

    code, title = "M100", "catalogues differ"


class StatisticsOverflow(AlluviaError):
    """Sums do not fit 64-bit integers."""

    code, title = "M101", "statistics overflow"


class NothingToLearn(AlluviaError):
    """No row is left to fit or to judge a ranker on."""

    code, title = "M102", "nothing to learn from"


class RankerMisused(AlluviaError):
    """A ranker is declared or asked in a way that cannot be meant."""

    code, title = "M103", "ranker misused"
