"""The steps that train, judge and release the example's cascade, in their order; `flows.training` does them.

What is judged is what is released: models know nothing of what came after the border from which on they are judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import polars as pl

from feature_groups import movies, ratings
from feature_groups.store import FeatureGroup, FeatureStore
from feature_groups.store.code_closure import closure
from feature_groups.store.digest import digest
from feature_groups.store.training_dataset import TrainingDataset
from models.artefact import made_with
from models.cascade import Cascade
from models.cascade_decision import ROUTER, FittedCascade
from models.cascade_fit import assembled, content_of, fit_branch, fit_router, routed
from models.evaluation_report import EvaluationReport
from models.film_data import FOLD, FilmData
from models.film_evaluation import Validated, evaluated
from models.film_gates import gates
from models.film_names import BRANCH, NAME, RANKINGS, RATED, VECTORS
from models.film_order import branches_of
from models.film_parameters import FilmParameters
from models.film_profile import film_profile
from models.film_rankings import FilmRankings
from models.film_release import MEMBERS, OUT_OF_FOLD, PROFILE, FilmModel, load_films
from models.film_settled import Settled, settled
from models.film_vectors import FilmVectors
from models.gates import Evidence, judge
from models.golden import MAX_ROWS, Golden
from models.model_steps import Stage
from models.out_of_fold import OutOfFold
from models.probability_model import FittedProbabilityModel
from models.probability_tuning import tuned_model
from models.ranking_branch_fit import MATERIAL, SharedRanker
from models.registry import Registry
from models.release import DatasetUsed, Reference, Release, groups_of

Output = Mapping[str, Any]


@dataclass(frozen=True)
class FilmTraining:
    """One variant of the training on one pair of datasets.

    Attributes:
        store: The lake.
        gate: Training dataset of the view `age_gate`, in folds.
        ranking: Training dataset of the view `ranking`, split by time.
        parameters: What is asked for.
        beside: Id of the release that is judged beside; None for the one that serves, empty for none.
    """

    store: FeatureStore
    gate: TrainingDataset
    ranking: TrainingDataset
    parameters: FilmParameters
    beside: str | None = None

    @cached_property
    def registry(self) -> Registry:
        """Where its members and releases are."""
        return Registry(self.store, NAME)

    @cached_property
    def cascade(self) -> Cascade:
        """The declaration, as the parameters want it."""
        return self.parameters.cascade()

    @cached_property
    def data(self) -> FilmData:
        """What is trained on and judged by; read when a step first needs it."""
        return FilmData.of(self.gate, self.ranking, self.rows(movies.v1), self.rows(ratings.v1))

    def pin(self, group: FeatureGroup) -> Mapping[str, Any]:
        """The version of a group that the dataset of the router pins."""
        return next(pin for pin in self.gate.manifest["pins"] if pin["group"] == group.id)

    def rows(self, group: FeatureGroup) -> pl.DataFrame:
        """The rows of a group at that version."""
        stored = self.store.get_or_create_feature_group(group)
        rows: pl.LazyFrame = stored.read(self.pin(group)["version"], engine="polars")
        return rows.collect()

    @cached_property
    def rankings(self) -> FilmRankings:
        """The steps that choose the ranker, on the ratings that `data` holds."""
        pins = {group.id: self.pin(group) for group in (movies.v1, ratings.v1)}
        return FilmRankings(lambda: self.data, _contents(age_gate=self.gate), pins, self.parameters)

    def stage(self, name: str, made: Mapping[str, Output], flow_run: str = "") -> Stage:
        """A step by its name, see `training_order`.

        Args:
            name: Of the step.
            made: What the steps that it needs made, by their names.
            flow_run: Id of the flow run that asks.
        """
        if name == RATED:
            return self.rankings.rated()
        if name == VECTORS:
            return FilmVectors(self).stage(made[RATED])
        if name == "router":
            return self.router()
        if name == RANKINGS:
            return self.rankings.stage(made[RATED])
        if name.startswith(BRANCH):
            return self.branch(name.removeprefix(BRANCH), made["router"], made[RATED], made[RANKINGS])
        if name == "evaluation":
            return self.evaluation(made["router"], made[RANKINGS], branches_of(made))
        return self.release(made["router"], branches_of(made), made["evaluation"], flow_run)

    def router(self) -> Stage:
        """The router, its settings chosen and its predictions made out of fold."""

        def work() -> dict[str, Any]:
            rows, folds = self.data.rows, self.data.rows[FOLD]
            tuned = tuned_model(self.cascade.router, {"C": list(self.parameters.strengths)}, rows, folds)
            fitted, found = fit_router(_with(self.cascade, tuned.model), rows, folds)
            put = {"router": asdict(self.registry.put(fitted)), OUT_OF_FOLD: asdict(self.registry.put(found))}
            return {**put, "tried": tuned.tried.to_dicts()}

        parameters: dict[str, Any] = {
            "strengths": list(self.parameters.strengths),
            "router": self.cascade.router.fingerprint,
        }
        code = (FilmData, tuned_model, fit_router, self.cascade.router)
        return Stage("router", code, parameters, _contents(age_gate=self.gate, ranking=self.ranking), work)

    def branch(self, name: str, router: Output, rated: Output, rankings: Output) -> Stage:
        """One branch, on the users that the router sends there out of fold."""
        model = next(branch.model for branch in self.cascade.branches if branch.name == name)

        def work() -> dict[str, Any]:
            fitted, found = self._router(router)
            table = routed(self.cascade, self.data.rows, found)
            upstream = {ROUTER: content_of(fitted)}
            material = {MATERIAL: self.rankings.shared(rankings)}
            return {"member": asdict(self.registry.put(fit_branch(self.cascade, name, table, upstream, material)))}

        parameters: dict[str, Any] = {"model": model.fingerprint, "policy": self.cascade.policy.state()}
        if isinstance(model, SharedRanker):
            parameters["ranker"] = dict(rankings["ranker"])
        inputs = {**_contents(age_gate=self.gate), RATED: {"content": rated["content"]}}
        inputs[ROUTER] = {"content": router["router"]["content"]}
        return Stage(f"{BRANCH}{name}", (FilmData, fit_branch, routed, model), parameters, inputs, work)

    def evaluation(self, router: Output, rankings: Output, branches: Mapping[str, Output]) -> Stage:
        """How good all of them are together, on what their users liked later, beside the champion."""
        champion = self._beside

        def work() -> dict[str, Any]:
            model = self.candidate(router, branches)
            before = load_films(self.registry, champion).model if champion else None
            known = (before.cascade, before.out_of_fold) if before else None
            report, _ = evaluated(model.cascade, model.out_of_fold, self.data, known, Validated.of(rankings))
            return {"report": self.registry.put_report(report.to_json()), "metrics": report.metrics}

        members = self._references(router, branches)
        inputs = {role: {"content": reference.content} for role, reference in members.items()}
        inputs |= _contents(age_gate=self.gate, ranking=self.ranking)
        if champion is not None:
            inputs["champion"] = {"content": champion.id}
        parameters: dict[str, Any] = {"policy": self.cascade.policy.state(), "rankings": rankings["tried"]}
        return Stage("evaluation", (FilmData, evaluated), parameters, inputs, work)

    def release(self, router: Output, branches: Mapping[str, Output], evaluation: Output, flow_run: str) -> Stage:
        """Ask the gates, make the release with its whole lineage, and write down what they said."""
        champion = self._beside

        def work() -> dict[str, Any]:
            model = self.candidate(router, branches)
            golden = Golden.asked(self.data.rows.head(MAX_ROWS), model.answer)
            profile = film_profile(self.data.rows, self.gate.roles["features"], model)
            members = {role: self.registry.put(member) for role, member in (model.members | {PROFILE: profile}).items()}
            kept = self.registry.put(golden)
            stored = FilmModel(FittedCascade.of_members(self._restored(members)), model.out_of_fold)
            report = self.report(evaluation)
            asked = Evidence(report, champion.id if champion else None, golden.compare(stored.answer))
            verdict = judge(gates(self.parameters), asked)
            release = Release(
                members=members,
                trained_on=model.cascade.trained_on(),
                thresholds={"minors": self.cascade.policy.threshold(self.cascade.routes)},
                groups=groups_of(self.gate, self.ranking),
                datasets=self._datasets,
                code=digest(closure([FilmTraining], package="models")),
                made_with=made_with(),
                verdict=verdict.to_json(),
                metrics=report.metrics,
                report=evaluation["report"],
                golden=kept,
                flow_run=flow_run,
                parent=champion.id if champion else None,
            )
            name = self.registry.release(release)
            told = {"release": name, "blessed": verdict.blessed, "reasons": list(verdict.reasons)}
            tried = {"metrics": report.metrics, "variant": self.parameters.plain()}
            return {**told, **tried, "datasets": [self.gate.number, self.ranking.number]}

        inputs = _contents(age_gate=self.gate, ranking=self.ranking)
        inputs["evaluation"] = {"content": evaluation["report"]}
        inputs |= {role: {"content": ref.content} for role, ref in self._references(router, branches).items()}
        parameters: dict[str, Any] = {"variant": self.parameters.plain(), "views": self._views}
        return Stage("release", (gates, judge, Golden, Release, film_profile), parameters, inputs, work)

    def settled(self, made: Mapping[str, Output]) -> Settled | None:
        """Why nothing is left to judge of what the steps made: a release of these very members; None without one."""
        members = self._references(made["router"], branches_of(made))
        return settled(self.registry, members, self.cascade.policy.threshold(self.cascade.routes), self._views)

    def candidate(self, router: Output, branches: Mapping[str, Output]) -> FilmModel:
        """The model of what these steps made."""
        fitted, found = self._router(router)
        trained = {name: self._member(output["member"]) for name, output in branches.items()}
        return FilmModel(assembled(self.cascade, fitted, trained), found)

    def report(self, evaluation: Output) -> EvaluationReport:
        """The report that an evaluation stored."""
        stored = self.store.metadata.get(f"{self.registry.root}/reports/{evaluation['report']}.json")
        assert stored is not None
        return EvaluationReport.from_json(stored)

    def gone(self, output: Output) -> list[str]:
        """What of an output is not in the registry or the lake any more."""
        named = {name: value for name, value in output.items() if isinstance(value, Mapping) and "sha256" in value}
        gone = [f"its {name} is gone" for name, value in named.items() if not self.registry.holds(Reference(**value))]
        return [*FilmVectors(self).lost(output), *gone] if "receipt" in output else gone

    @property
    def _datasets(self) -> tuple[DatasetUsed, ...]:
        return DatasetUsed.of(self.gate), DatasetUsed.of(self.ranking)

    @property
    def _views(self) -> dict[str, str]:
        """Contract of each view that is trained on."""
        return {used.view: used.contract for used in self._datasets}

    @property
    def _beside(self) -> Release | None:
        if self.beside is None:
            return self.registry.champion()
        return self.registry.get(self.beside) if self.beside else None

    def _router(self, output: Output) -> tuple[FittedProbabilityModel, OutOfFold]:
        router, found = self._member(output["router"]), self._member(output[OUT_OF_FOLD])
        assert isinstance(router, FittedProbabilityModel)
        assert isinstance(found, OutOfFold)
        return router, found

    def _member(self, reference: Mapping[str, Any]) -> Any:
        return self.registry.restore(Reference(**reference), MEMBERS)

    def _restored(self, members: Mapping[str, Reference]) -> dict[str, Any]:
        return {role: self.registry.restore(reference, MEMBERS) for role, reference in members.items()}

    def _references(self, router: Output, branches: Mapping[str, Output]) -> dict[str, Reference]:
        own = {ROUTER: Reference(**router["router"]), OUT_OF_FOLD: Reference(**router[OUT_OF_FOLD])}
        return own | {name: Reference(**output["member"]) for name, output in branches.items()}


def _with(cascade: Cascade, router: Any) -> Cascade:
    return Cascade(cascade.name, cascade.version, router, cascade.branches, cascade.policy)


def _contents(**datasets: TrainingDataset) -> dict[str, dict[str, Any]]:
    used = {name: DatasetUsed.of(dataset) for name, dataset in datasets.items()}
    return {name: {"content": digest(dict(it.content)), "version": it.number} for name, it in used.items()}
