"""What can be selected from: a declaration, or the feature group it stands for in a lake."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from feature_groups.store.column import Column
from feature_groups.store.errors import InvalidDeclaration, did_you_mean
from feature_groups.store.query import Query

if TYPE_CHECKING:
    from feature_groups.store.contract import ContractSpec
    from feature_groups.store.feature_group import FeatureGroup


class Selectable:
    """The verbs that make queries and conditions."""

    __iter__ = None
    """Indexing takes names of columns, so Python would otherwise iterate over it by number."""

    @abstractmethod
    def _queried(self) -> tuple[FeatureGroup, ContractSpec]:
        """The declaration and its contract.

        Raises:
            InvalidDeclaration: It has no contract yet.
        """

    def __getitem__(self, column: str) -> Column:
        """A column, to be compared: ``fg["rating"] >= 4``.

        Raises:
            InvalidDeclaration: There is no such column.
        """
        group, spec = self._queried()
        if not isinstance(column, str) or column not in spec.by_name:
            raise InvalidDeclaration(
                f"condition on {group.where}",
                what=f"There is no column {column!r:.80}. {did_you_mean(str(column), spec.names)}",
                state="was not made",
                next_step="correct the name; columns for a query are chosen by .select(...).",
            )
        return Column(group.id, spec.by_name[column])

    def select(self, *columns: str | Iterable[str]) -> Query:
        """A query of these columns; of none, where the group only leads to others.

        Raises:
            InvalidDeclaration: A column is not there, or named twice.
        """
        return Query(*self._queried(), columns)  # type: ignore[arg-type]  # Query makes names of them

    def select_all(self, *, include_keys: bool = False) -> Query:
        """A query of every column of the contract.

        Args:
            include_keys: Also primary key and event time, which say whom a row is about and when: no features.
        """
        group, spec = self._queried()
        return Query(group, spec, tuple(c for c in spec.names if include_keys or c not in group.key))

    def select_except(self, *columns: str | Iterable[str]) -> Query:
        """A query of every column of the contract but primary key, event time and these.

        Raises:
            InvalidDeclaration: A column is not there; nothing would be left out.
        """
        group, spec = self._queried()
        unwanted = Query(group, spec, columns).columns  # type: ignore[arg-type]  # Query makes names of them
        return Query(group, spec, tuple(c for c in spec.names if c not in (*group.key, *unwanted)))
