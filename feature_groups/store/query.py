"""Queries: which columns of which feature groups, reached how, and of which rows. Values that read nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

from feature_groups.store.conditions import Condition
from feature_groups.store.contract import ContractSpec
from feature_groups.store.errors import InvalidDeclaration, did_you_mean
from feature_groups.store.join_keys import On, join_keys
from feature_groups.store.names import check_name
from feature_groups.store.query_text import as_html, as_text
from feature_groups.store.rules import ColumnSpec

if TYPE_CHECKING:
    from feature_groups.store.feature_group import FeatureGroup

How = Literal["left", "inner"]


@dataclass(frozen=True)
class Output:
    """One column that a query gives.

    Attributes:
        name: Its name in the result: the prefixes of the joins on the way, then the column's name.
        group: The feature group it comes from.
        column: Its name there.
        spec: The column under its name in the result; may be NULL if a left join leads to it.
    """

    name: str
    group: FeatureGroup = field(repr=False)
    column: str
    spec: ColumnSpec = field(repr=False)


@dataclass(frozen=True)
class Join:
    """How a query is reached from another one.

    Attributes:
        query: What is joined.
        on: Pairs of a column of the left query's group and a primary key column of the joined query's group, in the
            order of that primary key. Where they are a part of the key only, the newest row over the rest is meant.
        how: ``left`` keeps rows without a match, ``inner`` does not.
        prefix: Put before every column that the joined query gives.
    """

    query: Query
    on: tuple[tuple[str, str], ...]
    how: How = "left"
    prefix: str = ""


@dataclass(frozen=True, eq=False)
class Query:
    """Columns of a feature group and of groups joined to it. Immutable: every verb gives a new query.

    Queries are equal when they ask for the same columns, joins and rows of groups with the same id and contract.

    Attributes:
        group: The feature group.
        spec: Its contract.
        columns: The columns it gives; may be none, where a group only leads to others.
        joins: What is joined to the group's rows.
        where: Condition on this group's rows alone, applied before the newest row is picked; None keeps all.

    Raises:
        InvalidDeclaration: A column that is not there, a name that two outputs would share, a condition on another
            group.
    """

    group: FeatureGroup
    spec: ContractSpec
    columns: tuple[str, ...] = ()
    joins: tuple[Join, ...] = ()
    where: Condition | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _listed(self.columns))
        object.__setattr__(self, "joins", tuple(self.joins))
        self._check_known(self.columns, self.spec.names)
        self._check_where()
        self._check_outputs()

    def select(self, *names: str | Iterable[str]) -> Query:
        """The same rows with these of the query's outputs only, in the query's order."""
        wanted = _listed(names)
        self._check_known(wanted, [o.name for o in self.outputs])
        return self._keeping(frozenset(wanted))

    def select_except(self, *names: str | Iterable[str]) -> Query:
        """The same rows without these outputs."""
        unwanted = _listed(names)
        self._check_known(unwanted, [o.name for o in self.outputs])
        return self._keeping(frozenset(o.name for o in self.outputs) - frozenset(unwanted))

    def join(self, other: Query, on: On = None, how: How = "left", prefix: str = "") -> Query:
        """Add the columns of another query, whose rows are looked up by this group's columns.

        Args:
            other: A query; the joins inside it are reached through its own group's columns.
            on: Columns of this group that hold the other's primary key: a name or names that both share, or a dict
                from this group's to the other's. By default the other's whole primary key under its own names. A
                part of that key must be given here; it looks up the newest row over the rest of the key.
            how: ``left`` gives NULL where there is no match, ``inner`` drops such rows.
            prefix: Put before the other's output names.

        Raises:
            InvalidDeclaration: A key column is missing or of another type, two outputs would share a name, ...
        """
        if not isinstance(other, Query):
            self._refuse(
                f"It was joined with a {type(other).__name__}, not a query.", "select from it first: .select(...)"
            )
        if how not in get_args(How):
            self._refuse(f"how is {how!r}. {did_you_mean(str(how), get_args(How))}", "use 'left' or 'inner'")
        self._check_prefix(other, prefix)
        return replace(self, joins=(*self.joins, Join(other, join_keys(self, other, on), how, prefix)))

    def filter(self, condition: Condition) -> Query:
        """Keep rows for which a condition is true, in each of its groups before the newest row is picked.

        Conditions combined by ``&`` may look at several groups of the query: each part filters its own group.

        Raises:
            InvalidDeclaration: A part looks at several groups, at one that is not in the query, or at one that
                occurs in it more than once.
        """
        if not isinstance(condition, Condition):
            self._refuse(
                f"It was filtered by {condition!r:.80}, which is no condition.", "compare columns: fg['x'] >= 1"
            )
        found = self
        for part in condition.conjuncts():
            found = found._filtered(self._group_of(part), part)
        return found

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What it gives: its own columns, then those of its joins."""
        own = [Output(c, self.group, c, self.spec.by_name[c]) for c in self.columns]
        return tuple(own + [o for join in self.joins for o in _through(join)])

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """Every feature group in it, its own first, each once."""
        return tuple({node.group.id: node.group for node in self.nodes()}.values())

    def nodes(self) -> Iterator[Query]:
        """This query and every joined one, each before what is joined to it."""
        yield self
        for join in self.joins:
            yield from join.query.nodes()

    def to_json(self) -> dict[str, Any]:
        """The query as plain JSON: equal for equal queries."""
        return {
            "group": self.group.id,
            "columns": list(self.columns),
            "joins": [
                {"on": [list(pair) for pair in j.on], "how": j.how, "prefix": j.prefix, "query": j.query.to_json()}
                for j in self.joins
            ],
            "where": None if self.where is None else self.where.to_json(),
        }

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"query of {self.group.where}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    @property
    def _value(self) -> tuple[object, ...]:
        return self.group.id, self.spec, self.columns, self.joins, self.where

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def _keeping(self, names: frozenset[str]) -> Query:
        columns = tuple(c for c in self.columns if c in names)
        joins = []
        for join in self.joins:
            inner = frozenset(o.name for o in join.query.outputs if join.prefix + o.name in names)
            joins.append(replace(join, query=join.query._keeping(inner)))
        return replace(self, columns=columns, joins=tuple(joins))

    def _filtered(self, group: str, part: Condition) -> Query:
        joins = tuple(replace(join, query=join.query._filtered(group, part)) for join in self.joins)
        if self.group.id != group:
            return replace(self, joins=joins)
        return replace(self, joins=joins, where=part if self.where is None else self.where & part)

    def _group_of(self, part: Condition) -> str:
        if len(part.groups) > 1:
            self._refuse(
                f"{part!r:.200} looks at {' and '.join(sorted(part.groups))} at once, but a filter decides about a row "
                "of one group, before its newest row is picked.",
                "filter each group by a condition of its own (joined by &), or filter the data after it was read",
            )
        group = next(iter(part.groups))
        found = [node.group.id for node in self.nodes()].count(group)
        if found == 0:
            hint = did_you_mean(group, [g.id for g in self.groups])
            self._refuse(f"{part!r:.200} looks at {group}, which is not in it. {hint}", "join that group first")
        if found > 1:
            self._refuse(
                f"{part!r:.200} looks at {group}, which occurs in it {found} times.",
                "filter the query of the one that is meant before it is joined",
            )
        return group

    def _check_known(self, names: tuple[str, ...], known: Sequence[str]) -> None:
        for name in names:
            if not isinstance(name, str):
                self._refuse(f"{name!r:.80} is not the name of a column.", "name columns by text")
            if name not in known:
                self._refuse(f"There is no column {name[:80]!r}. {did_you_mean(name, known)}", "correct the name")
            if names.count(name) > 1:
                self._refuse(f"The column {name!r} is named more than once.", "name each column once")

    def _check_where(self) -> None:
        for comparison in () if self.where is None else self.where.comparisons:
            name = comparison.column.name
            known = self.spec.by_name.get(name)
            if comparison.group != self.group.id:
                self._refuse(f"Its own condition looks at {comparison.group}.", "call .filter(...)")
            if known is None or known.type != comparison.column.type:
                now = "not there" if known is None else known.type
                self._refuse(
                    f"The condition {comparison!r:.200} takes {name!r} as {comparison.column.type}; here it is {now}.",
                    "make the condition and the query from the same feature group",
                )

    def _check_outputs(self) -> None:
        seen: dict[str, Output] = {}
        for output in self.outputs:
            first = seen.setdefault(output.name, output)
            if first is not output:
                one, two = f"{first.group}'s {first.column!r}", f"{output.group}'s {output.column!r}"
                self._refuse(
                    f"Two of its outputs would be named {output.name!r}: {one} and {two}.",
                    f'join with a prefix, e.g. .join(..., prefix="{output.group.name}_"), or select one of them only',
                )

    def _check_prefix(self, other: Query, prefix: str) -> None:
        if not isinstance(prefix, str):
            self._refuse(f"The prefix is {prefix!r:.80}.", "give text, e.g. prefix='film_'")
        for name in [o.name for o in other.outputs] or ["column"]:
            try:
                check_name(prefix + name, kind="column", where=self.title)
            except InvalidDeclaration as error:
                self._refuse(
                    f"The prefix {prefix[:80]!r} makes no good name. {error.what}",
                    f"take another one, e.g. prefix='{other.group.name[:20]}_'",
                )

    def _refuse(self, what: str, next_step: str) -> NoReturn:
        raise InvalidDeclaration(self.title, what=what, state="was not made", next_step=f"{next_step}.")


def _through(join: Join) -> Iterator[Output]:
    for output in join.query.outputs:
        name = join.prefix + output.name
        nullable = output.spec.nullable or join.how == "left"
        yield replace(output, name=name, spec=replace(output.spec, name=name, nullable=nullable))


def _listed(names: Iterable[str | Iterable[str]]) -> tuple[str, ...]:
    """Names given one by one, or in lists."""
    found: list[str] = []
    for name in names:
        found += [name] if isinstance(name, str) or not isinstance(name, Iterable) else name
    return tuple(found)
