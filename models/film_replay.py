"""One step of the example made again on what an earlier record names, and compared with what it made then."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from feature_groups import predictions, ratings
from feature_groups.store import FeatureStore
from feature_groups.store.dataset_plan import DatasetPlan
from feature_groups.store.digest import digest
from feature_groups.store.errors import DatasetDiffers
from feature_groups.store.point_in_time import pinned
from feature_groups.store.replay import Replayed, cannot, recorded, replay_group, versions
from feature_groups.store.step_changes import changes
from feature_groups.store.training_datasets import TrainingDatasets
from feature_groups.views import age_gate, ranking
from models.film_names import (
    BRANCH,
    EVALUATION,
    NAME,
    OUTCOMES,
    PREDICTIONS,
    RANKINGS,
    RATED,
    RELEASE,
    SCORING,
    TRAINING,
    VECTORS,
)
from models.film_outcomes import FilmOutcomes
from models.film_parameters import FilmParameters
from models.film_pipeline import DATASETS, declared_group, node
from models.film_scoring import FilmScoring
from models.film_training import FilmTraining
from models.film_vectors import FilmVectors
from models.model_steps import ModelSteps, Stage
from models.registry import Registry
from models.release import GroupUsed

Record = Mapping[str, Any]


def replay(
    store: FeatureStore,
    name: str,
    *,
    data: Path | None = None,
    record: int | None = None,
    parameters: FilmParameters | None = None,
) -> Replayed:
    """Make one step again, by the code as it is now, on the versions that one of its records names, and compare.

    Args:
        store: The lake; opened with ``look_only=True`` nothing is written to it.
        name: Of the step.
        data: Folder of the raw files; only for groups made from files.
        record: Which record, from 1; of a training dataset its number. By default the newest.
        parameters: Of the training; what is declared by default, and for a release what it was made with.

    Raises:
        NoSuchStep: There is no such step.
        CannotReplay: It has no such record, or what it was made from is not there any more.
    """
    wanted = node(name)
    if wanted.kind == "group":
        return replay_group(store, declared_group(name), data, record)
    if wanted.kind == "dataset":
        return _dataset(store, next(plan for plan in DATASETS if plan.view.id == wanted.name), record)
    steps = ModelSteps(store.metadata, SCORING if wanted.kind == "scoring" else TRAINING)
    number, found = recorded(f"step {wanted.name}", steps.records(wanted.name), record)
    if wanted.kind == "training":
        earlier = _Then(store, steps, wanted.name, found)
        training, flow_run = earlier.training(parameters)
        stage = training.stage(wanted.name, earlier.made(), flow_run)
        if wanted.name == VECTORS:  # encoded, and not written
            again = {**FilmVectors(training).encoded()[1], "receipt": found["output"]["receipt"]}
        else:
            again = stage.work()
    elif wanted.name == PREDICTIONS:
        scoring = _scoring(store, found)
        stage, again = scoring.stage(), {}
    else:
        stage = _outcomes(store, found)
        again = stage.work()
    odd = _odd_predictions(store, scoring, found) if wanted.name == PREDICTIONS else _odd(found["output"], again)
    if odd and wanted.name == RELEASE:
        then, now = (Registry(store, NAME).get(made["release"]).to_json() for made in (found["output"], again))
        odd = f"{odd}, in {', '.join(sorted(name for name in then if then[name] != now[name]))}"
    said = f"differs from what it made: {odd}" if odd else "equals what it made"
    since = tuple(changes(found, steps.parts(stage), found["inputs"]))
    return Replayed(wanted.name, number, found["recorded_at"], versions(found["inputs"]), not odd, said, since)


def _dataset(store: FeatureStore, plan: DatasetPlan, number: int | None) -> Replayed:
    made = store.get_or_create_feature_view(plan.view).training_datasets()
    chosen, manifest = recorded(f"training dataset of {plan.view.where}", [one.manifest for one in made], number)
    read = {pin["group"]: f"v{pin['version']}" for pin in manifest["pins"]}
    try:
        TrainingDatasets(store, plan.view).rebuild(chosen, None, restore=False)
    except DatasetDiffers as error:
        return Replayed(plan.view.id, chosen, manifest["created_at"], read, False, f"differs: {error.what}")
    rows = sum(part["rows"] for part in manifest["parts"].values())
    return Replayed(plan.view.id, chosen, manifest["created_at"], read, True, f"equals number {chosen}: {rows:,} rows")


class _Then:
    """What a step of the training was made from when it was recorded, put together from the records of others."""

    def __init__(self, store: FeatureStore, steps: ModelSteps, name: str, record: Record) -> None:
        self._store, self._steps, self._name, self._record = store, steps, name, record

    def training(self, parameters: FilmParameters | None) -> tuple[FilmTraining, str]:
        """The training that the step was of, by the code as it is now, and its flow run where a release names it."""
        inputs, beside, flow_run = self._record["inputs"], inputs_beside(self._record), ""
        if self._name == RELEASE:
            release = Registry(self._store, NAME).get(self._record["output"]["release"])
            beside, flow_run = release.parent or "", release.flow_run
            parameters = parameters or FilmParameters(**self._record["output"]["variant"])
        asked = parameters or FilmParameters()
        gate, films = (
            self._store.get_or_create_feature_view(view).get_training_dataset(number)
            for view, number in ((age_gate.v1, inputs["age_gate"]["version"]), (ranking.v1, self._ranking()))
        )
        return FilmTraining(self._store, gate, films, asked, beside), flow_run

    def made(self) -> dict[str, Any]:
        """What the steps that it needs had made."""
        inputs, made = self._record["inputs"], {}
        if RATED in inputs:
            rated = inputs[RATED]["content"]
            made[RATED] = self._output(RATED, lambda output: bool(output["content"] == rated))
        if "router" in inputs:
            router = inputs["router"]["content"]
            made["router"] = self._output("router", lambda output: output["router"]["content"] == router)
            made[RANKINGS] = self._output(RANKINGS, self._chose_its_ranker)
        for branch in FilmParameters().cascade().branches:
            if branch.name in inputs:
                step, wanted = f"{BRANCH}{branch.name}", inputs[branch.name]
                made[step] = self._output(step, partial(_is_member, wanted))
        if EVALUATION in inputs:
            report = inputs[EVALUATION]["content"]
            made[EVALUATION] = self._output(EVALUATION, lambda output: bool(output["report"] == report))
        return made

    def _ranking(self) -> int:
        """The dataset of `ranking`; of a step that does not name it, the one its router was trained beside."""
        inputs = self._record["inputs"]
        if "ranking" in inputs:
            return int(inputs["ranking"]["version"])
        beside = [
            record["inputs"]["ranking"]["version"]
            for record in self._steps.records("router")
            if record["inputs"]["age_gate"]["content"] == inputs["age_gate"]["content"]
        ]
        if not beside:
            raise self._gone("router")
        return int(beside[-1])

    def _chose_its_ranker(self, output: Record) -> bool:
        """Whether what a step was told of the ranker is what this output says."""
        wanted = self._record["parts"]["parameter"]
        told = {"ranker": output["ranker"], "rankings": output["tried"]}
        return all(wanted.get(name, digest(value)) == digest(value) for name, value in told.items())

    def _output(self, step: str, fits: Callable[[Record], bool]) -> Record:
        made = [record["output"] for record in self._steps.records(step) if fits(record["output"])]
        if not made:
            raise self._gone(step)
        output: Record = made[-1]
        return output

    def _gone(self, step: str) -> Exception:
        return cannot(
            f"step {self._name}", f"No record of {step} made what it was made from.", "replay another record."
        )


def inputs_beside(record: Record) -> str:
    """The release that a step judged beside, by its record; empty for none."""
    found = record["inputs"].get("champion")
    return str(found["content"]) if found else ""


def _is_member(wanted: Record, output: Record) -> bool:
    return bool(output["member"]["content"] == wanted["content"])


def _odd(was: Record, now: Record) -> str:
    """The parts of an output that differ; of members what they are counts, not their bytes."""

    def plain(value: Any) -> Any:
        return value["content"] if isinstance(value, Mapping) and "sha256" in value else value

    now = json.loads(json.dumps(now))
    return ", ".join(sorted(name for name in {*was, *now} if plain(was.get(name)) != plain(now.get(name))))


def _scoring(store: FeatureStore, record: Record) -> FilmScoring:
    """The batch as it was asked."""
    output, inputs = record["output"], record["inputs"]
    read = json.loads(output["features"])
    groups = tuple(GroupUsed(name, table, at, inputs[name]["content"]) for name, (table, at) in sorted(read.items()))
    asked_at = datetime.fromisoformat(output["asked_at"])
    release = Registry(store, NAME).get(output["release"])
    users = None
    if record["parts"]["parameter"]["users"] != digest(None):
        users = tuple(_logged(store, record)["user_id"])
    return FilmScoring(store, release, asked_at, groups, None, users)


def _logged(store: FeatureStore, record: Record) -> pl.DataFrame:
    """The predictions of a record as they were written, by user."""
    output = record["output"]
    log: pl.LazyFrame = store.get_or_create_feature_group(predictions.v1).read(
        output["receipt"]["version"], engine="polars"
    )
    same = (pl.col("release") == output["release"]) & (pl.col("asked_at") == datetime.fromisoformat(output["asked_at"]))
    return log.filter(same).sort("user_id").collect()


def _odd_predictions(store: FeatureStore, scoring: FilmScoring, record: Record) -> str:
    """How many predictions differ; where they are made is no part of what is predicted."""
    then, now = (rows.drop("made_with").sort("user_id") for rows in (_logged(store, record), scoring.predictions()))
    if then.equals(now):
        return ""
    here = set(map(str, now.rows()))
    return f"{len(here.symmetric_difference(map(str, then.rows()))):,} of {now.height:,} predictions, then or now"


def _outcomes(store: FeatureStore, record: Record) -> Stage:
    """The step as it was asked; its instant is that of the scoring that it followed."""
    asked: Sequence[str] = [
        one["output"]["asked_at"] for one in ModelSteps(store.metadata, SCORING).records(PREDICTIONS)
    ]
    wanted = record["parts"]["parameter"]["until"]
    until = [at for at in map(datetime.fromisoformat, asked) if digest(at.timestamp()) == wanted]
    if not until:
        raise cannot(f"step {OUTCOMES}", "No record of predictions has its instant.", "replay another record.")
    groups = [predictions.v1, ratings.v1]
    pins = pinned(store, groups, {group.id: record["inputs"][group.id]["version"] for group in groups})
    return FilmOutcomes(store, until[0], pins[predictions.v1.id], pins[ratings.v1.id]).stage()
