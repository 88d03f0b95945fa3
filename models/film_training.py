"""The steps that train, judge and release the example's cascade; `flows.training` says in which order.

What is judged is what is released: models know nothing of what came after the border from which on they are judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import polars as pl

from feature_groups import movies
from feature_groups.store import FeatureStore
from feature_groups.store.code_closure import closure
from feature_groups.store.digest import digest
from feature_groups.store.training_dataset import TrainingDataset
from models.artefact import made_with
from models.cascade import Cascade
from models.cascade_decision import ROUTER, FittedCascade
from models.cascade_fit import assembled, content_of, fit_branch, fit_router, routed
from models.evaluation_report import EvaluationReport
from models.film_data import FOLD, FilmData
from models.film_evaluation import evaluated
from models.film_gates import gates
from models.film_parameters import FilmParameters
from models.film_profile import film_profile
from models.film_release import MEMBERS, NAME, OUT_OF_FOLD, PROFILE, FilmModel, load_films
from models.gates import Evidence, judge
from models.golden import MAX_ROWS, Golden
from models.holdout_evaluation import HoldOut
from models.liked_pairs import liked_pairs
from models.model_steps import Stage
from models.out_of_fold import OutOfFold
from models.probability_model import FittedProbabilityModel
from models.probability_tuning import tuned_model
from models.ranker_tuning import Tuned, tuned_ease
from models.ranking_branch_fit import MATERIAL, SharedEase, SharedRatings
from models.registry import Registry
from models.release import DatasetUsed, Reference, Release, groups_of

HIDDEN = 0.4
"""Share of what each user liked, the newest, that settings are chosen on: about as much as is judged of later."""

Output = Mapping[str, Any]


@dataclass(frozen=True)
class FilmTraining:
    """One variant of the training on one pair of datasets.

    Attributes:
        store: The lake.
        gate: Training dataset of the view `age_gate`, in folds.
        ranking: Training dataset of the view `ranking`, split by time.
        parameters: What is asked for.
    """

    store: FeatureStore
    gate: TrainingDataset
    ranking: TrainingDataset
    parameters: FilmParameters

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
        pin = next(pin for pin in self.gate.manifest["pins"] if pin["group"] == movies.v1.id)
        rows: pl.LazyFrame = self.store.get_or_create_feature_group(movies.v1).read(pin["version"], engine="polars")
        return FilmData.of(self.gate, self.ranking, rows.collect())

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

    def rankings(self) -> Stage:
        """The penalty of the rankers, chosen on what is hidden within the training data."""

        def work() -> dict[str, Any]:
            tuned = tuned_ease(self._validation, {"penalty": self.parameters.penalties})
            return {"penalty": tuned.chosen["penalty"], "tried": tuned.tried.to_dicts()}

        parameters: dict[str, Any] = {"penalties": list(self.parameters.penalties), "hidden": HIDDEN}
        return Stage("rankings", (FilmData, HoldOut, tuned_ease), parameters, _contents(age_gate=self.gate), work)

    def branch(self, name: str, router: Output, rankings: Output) -> Stage:
        """One branch, on the users that the router sends there out of fold."""
        model = next(branch.model for branch in self.cascade.branches if branch.name == name)

        def work() -> dict[str, Any]:
            fitted, found = self._router(router)
            table = routed(self.cascade, self.data.rows, found)
            upstream = {ROUTER: content_of(fitted)}
            material = {MATERIAL: self._shared(rankings)}
            return {"member": asdict(self.registry.put(fit_branch(self.cascade, name, table, upstream, material)))}

        parameters: dict[str, Any] = {"model": model.fingerprint, "policy": self.cascade.policy.state()}
        if isinstance(model, SharedEase):
            parameters["penalty"] = rankings["penalty"]
        inputs = {**_contents(age_gate=self.gate), ROUTER: {"content": router["router"]["content"]}}
        return Stage(f"branch {name}", (FilmData, fit_branch, routed, model), parameters, inputs, work)

    def evaluation(self, router: Output, branches: Mapping[str, Output]) -> Stage:
        """How good all of them are together, on what their users liked later, beside the champion."""
        champion = self.registry.champion()

        def work() -> dict[str, Any]:
            model = self.candidate(router, branches)
            before = load_films(self.registry, champion).model if champion else None
            known = (before.cascade, before.out_of_fold) if before else None
            report, _ = evaluated(model.cascade, model.out_of_fold, self.data, known)
            return {"report": self.registry.put_report(report.to_json()), "metrics": report.metrics}

        members = self._references(router, branches)
        inputs = {role: {"content": reference.content} for role, reference in members.items()}
        inputs |= _contents(age_gate=self.gate, ranking=self.ranking)
        if champion is not None:
            inputs["champion"] = {"content": champion.id}
        parameters: dict[str, Any] = {"policy": self.cascade.policy.state()}
        return Stage("evaluation", (FilmData, evaluated), parameters, inputs, work)

    def release(self, router: Output, branches: Mapping[str, Output], evaluation: Output, flow_run: str) -> Stage:
        """Ask the gates, make the release with its whole lineage, and write down what they said."""
        champion = self.registry.champion()

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
                datasets=(DatasetUsed.of(self.gate), DatasetUsed.of(self.ranking)),
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
        parameters: dict[str, Any] = {"variant": self.parameters.plain()}
        return Stage("release", (gates, judge, Golden, Release, film_profile), parameters, inputs, work)

    def serves(self, router: Output, branches: Mapping[str, Output]) -> Release | None:
        """The champion, where these are its very members, nothing is left to judge, and it can be monitored."""
        champion = self.registry.champion()
        if champion is None or PROFILE not in champion.members:
            return None
        return champion if self._is_made_of(champion, router, branches) else None

    def withdrawn(self, router: Output, branches: Mapping[str, Output]) -> tuple[str, str] | None:
        """The release of these very members that somebody rolled back, and why; None where nobody did.

        What a person took out of service is not put back by the next run, but by a person.
        """
        found = None
        switches = self.registry.switches()
        for before, after in pairwise(switches):
            if after.action == "rollback" and before.champion is not None:
                if self._is_made_of(self.registry.get(before.champion), router, branches):
                    found = (
                        before.champion,
                        f"rolled back at {after.at[:16]} by {after.who}: {after.reason or 'no reason'}",
                    )
            elif after.champion is not None and found and after.champion == found[0]:
                found = None
        return found

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
        """What of an output is not in the registry any more."""
        named = {name: value for name, value in output.items() if isinstance(value, Mapping) and "sha256" in value}
        return [f"its {name} is gone" for name, value in named.items() if not self.registry.holds(Reference(**value))]

    @cached_property
    def _validation(self) -> HoldOut:
        return HoldOut.newest(self.data.events, HIDDEN)

    def _shared(self, rankings: Output) -> SharedRatings:
        tuned = Tuned({"penalty": rankings["penalty"]}, pl.DataFrame(rankings["tried"]))
        events = self.data.events
        return SharedRatings(events, liked_pairs(events), self._validation, rankings["penalty"], tuned)

    def _router(self, output: Output) -> tuple[FittedProbabilityModel, OutOfFold]:
        router, found = self._member(output["router"]), self._member(output[OUT_OF_FOLD])
        assert isinstance(router, FittedProbabilityModel)
        assert isinstance(found, OutOfFold)
        return router, found

    def _member(self, reference: Mapping[str, Any]) -> Any:
        return self.registry.restore(Reference(**reference), MEMBERS)

    def _restored(self, members: Mapping[str, Reference]) -> dict[str, Any]:
        return {role: self.registry.restore(reference, MEMBERS) for role, reference in members.items()}

    def _is_made_of(self, release: Release, router: Output, branches: Mapping[str, Output]) -> bool:
        wanted = self._references(router, branches).items()
        same = all(role in release.members and release.members[role].content == ref.content for role, ref in wanted)
        return same and release.thresholds.get("minors") == self.cascade.policy.threshold(self.cascade.routes)

    def _references(self, router: Output, branches: Mapping[str, Output]) -> dict[str, Reference]:
        own = {ROUTER: Reference(**router["router"]), OUT_OF_FOLD: Reference(**router[OUT_OF_FOLD])}
        return own | {name: Reference(**output["member"]) for name, output in branches.items()}


def _with(cascade: Cascade, router: Any) -> Cascade:
    return Cascade(cascade.name, cascade.version, router, cascade.branches, cascade.policy)


def _contents(**datasets: TrainingDataset) -> dict[str, dict[str, Any]]:
    used = {name: DatasetUsed.of(dataset) for name, dataset in datasets.items()}
    return {name: {"content": digest(dict(it.content)), "version": it.number} for name, it in used.items()}
