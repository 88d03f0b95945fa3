"""Which ranker, with which setting: a plain value, so that a choice can be recorded and made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from models.ease import Ease
from models.followed_pairs import followed_pairs
from models.histories import HistoryRule
from models.history_ridge import HistoryRidge
from models.item_statistics import ItemStatistics
from models.liked_pairs import liked_pairs
from models.linear_ranker import LinearRanker
from models.rated_events import RatedEvents

RankerKind = Literal["ease", "history_ridge"]
Setting = Mapping[str, float]
Grid = Mapping[str, Sequence[float]]
"""The values of each parameter to choose from, the one to start from first."""


@dataclass(frozen=True)
class RankerChoice:
    """A kind of ranker and its setting. All kinds are solved from sums over users, which add and subtract.

    Attributes:
        kind: ``ease``: which films are liked together; ``history_ridge``: which film follows a decayed history.
        setting: ``penalty``; of the ridge also ``tau`` and ``length`` of its histories, see `HistoryRule`.
    """

    kind: RankerKind
    setting: Setting

    def __str__(self) -> str:
        return f"{self.kind}, {', '.join(f'{name} {value:g}' for name, value in self.setting.items())}"

    @property
    def rule(self) -> HistoryRule | None:
        """What the statistics depend on beside the ratings; None where they depend on nothing else."""
        return None if self.kind == "ease" else ridge_rule(self.setting)

    def statistics(self, events: RatedEvents) -> ItemStatistics:
        """The sums that it is solved from, over all ratings of each user that is in the events."""
        return liked_pairs(events) if self.rule is None else followed_pairs(events, self.rule)

    def fit(self, statistics: ItemStatistics) -> LinearRanker:
        """The ranker; raises as `Ease.fit` and `HistoryRidge.fit`."""
        penalty = self.setting["penalty"]
        return Ease.fit(statistics, penalty) if self.rule is None else HistoryRidge.fit(statistics, penalty, self.rule)


def ridge_rule(setting: Setting) -> HistoryRule:
    """The history rule of a setting of the history ridge."""
    return HistoryRule(length=int(setting["length"]), tau=setting["tau"])
