"""The steps of the example's training that choose which ranker its branches have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from models.film_data import FilmData
from models.film_names import RANKINGS, RATED
from models.film_parameters import FilmParameters
from models.holdout_evaluation import HoldOut
from models.model_steps import Stage
from models.ranker_choice import RankerChoice
from models.ranker_tuning import best_of_each, newest_part, tuned_ranker
from models.ranking_branch_fit import SharedRatings

HIDDEN = 0.15
"""Share of what was liked, the newest, that rankers are chosen on: as much as is judged of later, asked likewise."""

Inputs = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class FilmRankings:
    """What one training ranks by.

    Attributes:
        data: Reads what is trained on, when a step first needs it.
        gate: The training dataset of the router, as an input of steps.
        pins: Of the groups that the ratings and films come from: version and fingerprint by id.
        parameters: What is asked for.
    """

    data: Callable[[], FilmData]
    gate: Inputs
    pins: Inputs
    parameters: FilmParameters

    def rated(self) -> Stage:
        """What rankers train on: the ratings before the border, with their instants, and the films.

        New ratings come every day; where none is from before the border, what rankers train on is what it was.
        """

        def work() -> dict[str, Any]:
            events = self.data().events
            return {"content": events.content, "told": f"{len(events):,} ratings, {len(events.catalogue):,} films"}

        inputs = {name: {"content": pin["fingerprint"], "version": pin["version"]} for name, pin in self.pins.items()}
        return Stage(RATED, (FilmData,), {}, {**self.gate, **inputs}, work)

    def stage(self, rated: Mapping[str, Any]) -> Stage:
        """The kind of ranker, and its setting, chosen on what is hidden within the training data.

        Args:
            rated: What the step `rated` said.
        """

        def work() -> dict[str, Any]:
            ranker, tried = tuned_ranker(self.validation, self.parameters.grids)
            reached = best_of_each(tried)
            told = f"{ranker}; NDCG {', '.join(f'{name} {ndcg:.3f}' for name, ndcg in reached.items())}"
            made = {"ranker": asdict(ranker), "reached": reached, "users": len(self.validation.users)}
            return {**made, "tried": tried.to_dicts(), "told": told}

        grids: Any = {kind: {k: list(v) for k, v in grid.items()} for kind, grid in self.parameters.grids.items()}
        parameters: dict[str, Any] = {"rankers": grids, "hidden": HIDDEN}
        inputs = {**self.gate, RATED: {"content": rated["content"]}}
        return Stage(RANKINGS, (FilmData, HoldOut, tuned_ranker), parameters, inputs, work)

    @cached_property
    def validation(self) -> HoldOut:
        """What rankers are chosen on: users asked before the newest likings of the training data."""
        events = self.data().events
        return HoldOut.since(events, newest_part(events, HIDDEN))

    def shared(self, chosen: Mapping[str, Any]) -> SharedRatings:
        """What branches train on, by what the step of `stage` said."""
        ranker, events = RankerChoice(**chosen["ranker"]), self.data().events
        return SharedRatings(events, self.validation, ranker, ranker.statistics(events))
