"""Step records: what a step depended on when it last ran, and therefore whether it must run again.

Every step, also one that commits nothing, ends by writing a numbered record: its fingerprint, the inputs it
consumed, its output. The newest record alone decides what is skipped.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_groups.store.code_closure import closure
from feature_groups.store.contract import ContractSpec
from feature_groups.store.digest import digest
from feature_groups.store.errors import NothingWritten
from feature_groups.store.faults import faultpoint
from feature_groups.store.feature_group import FeatureGroup, declaration_json
from feature_groups.store.receipts import Receipt
from feature_groups.store.revision import REVISION
from feature_groups.store.source import file_hash
from feature_groups.store.step_changes import changes, contents, lock_hash

if TYPE_CHECKING:
    from feature_groups.store.feature_store import FeatureStore

Json = Mapping[str, Any]

_NO_EFFECT = ("description", "owner", "tags", "deprecated", "online", "ttl", "freshness", "restricted", "contract")
"""Fields of a declaration that change no row, or are compared by themselves."""

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Decision:
    """Whether a step runs, and why.

    Attributes:
        step: Name of the step, for example ``ratings_v1``.
        run: Whether it must run.
        anew: Whether code, contract, lock or store changed, so that rows no longer produced must go.
        reasons: Why; one line each.
        fingerprint: Hash of everything but the inputs that the step's result depends on.
        parts: What the fingerprint is made of, by kind.
        inputs: What it will consume, by name: content hash or fingerprint, and version.
        batch_key: Key of the batch it will write; the same for every retry of this decision.
        previous: The newest record, empty before the first run.
        output: The group's table now: id, version and content; None when there is none.
    """

    step: str
    run: bool
    anew: bool
    reasons: tuple[str, ...]
    fingerprint: str
    parts: Json = field(repr=False)
    inputs: Json = field(repr=False)
    batch_key: str
    previous: Json = field(repr=False)
    output: Json | None = field(default=None, repr=False)

    @property
    def starting_point(self) -> Json:
        """The newest record where only its inputs moved since, so that an increment can start there; else empty."""
        was, now = self.previous, self.output
        if not was or now is None or was["fingerprint"] != self.fingerprint:
            return {}
        same = all(was["output"][name] == now[name] for name in ("table_id", "content"))
        return was if same else {}

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)


class Steps:
    """Decides about and records the steps that bring feature groups up to date.

    Args:
        store: The lake.
        remember: Look at each table once: for who writes nothing meanwhile.
    """

    def __init__(self, store: FeatureStore, *, remember: bool = False) -> None:
        self._store = store
        self._outputs: dict[str, dict[str, Any] | None] | None = {} if remember else None

    def decide(self, group: FeatureGroup, data: Path | None, unsettled: Collection[str] = ()) -> Decision:
        """Compare the step with its newest record.

        Args:
            group: The feature group the step brings up to date.
            data: Folder of the raw files.
            unsettled: Ids of groups it needs whose content may move before it runs: the decision leaves them out, so
                that a reason to run that it finds stands whatever becomes of them.

        Raises:
            SourceMissing: A raw file is not there.
            NothingWritten: A group it needs has no rows yet.
        """
        previous = self._store.metadata.last(_log(group)) or {}
        parts = self.parts(group)
        inputs = self._inputs(group, data, {name: previous.get("inputs", {}).get(name) for name in unsettled})
        fingerprint = digest(parts)
        output = self.output(group)
        reasons = _reasons(previous, parts, inputs, output)
        at = f"{output['table_id']}@{output['version']}" if output else "new"
        key = digest({"step": group.id, "fingerprint": fingerprint, "inputs": contents(inputs), "at": at})
        return Decision(
            step=group.id,
            run=bool(reasons),
            anew=bool(previous) and previous["fingerprint"] != fingerprint,
            reasons=tuple(reasons) or (f"unchanged since {previous['recorded_at'][:16].replace('T', ' ')} UTC",),
            fingerprint=fingerprint,
            parts=parts,
            inputs=inputs,
            batch_key=f"{group.id}-{key[:40]}",
            previous=previous,
            output=output,
        )

    def record(self, group: FeatureGroup, decision: Decision, receipt: Receipt, *, source_rows: int | None) -> int:
        """Write the step's next record; returns its number.

        The output is what the receipt says, not what the table holds by now: somebody else may have written since.
        """
        faultpoint("step.before_record")
        output = {"table_id": receipt.table_id, "version": receipt.version, "content": receipt.fingerprint}
        number = self._store.metadata.append(
            _log(group),
            {
                "step": decision.step,
                "recorded_at": datetime.now(UTC).isoformat(),
                "fingerprint": decision.fingerprint,
                "parts": decision.parts,
                "inputs": decision.inputs,
                "output": output,
                "source_rows": source_rows,
                "receipt": {k: v for k, v in receipt.to_json().items() if k != "statistics"},
            },
        )
        faultpoint("step.after_record")
        return number

    def records(self, group: FeatureGroup) -> list[dict[str, Any]]:
        """Every record of the group's step, oldest first."""
        return self._store.metadata.entries(_log(group))

    def parts(self, group: FeatureGroup) -> dict[str, Any]:
        """What its result depends on besides its inputs, by kind and name, as hashes."""
        roots: list[object] = [group.transform, group.spark_transform, group.derive, group.contract]
        assert group.spec is not None  # whatever is computed declares a contract
        contracts = _contract(group.id, group.spec)
        if group.source is not None:
            roots += [group.source.reader, group.source.contract]
            contracts |= _contract(group.source.name, group.source.spec)
        declared = {k: v for k, v in declaration_json(group, group.spec).items() if k not in _NO_EFFECT}
        package = (group.transform or group.contract).__module__.partition(".")[0]
        code = closure(roots, package=package)
        for model in (group.contract, group.source and group.source.contract):
            # What a contract class means is told by its rules; its text also holds descriptions.
            code.pop(f"{getattr(model, '__module__', '')}.{getattr(model, '__qualname__', '')}", None)
        return {
            "code": code,
            "contract": contracts,
            "declaration": _plain(declared),
            "lock": lock_hash(),
            "store": REVISION,
        }

    def _inputs(self, group: FeatureGroup, data: Path | None, unsettled: Json) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if group.source is not None:
            path = group.source.locate(data)
            found[group.source.path] = {"content": file_hash(path), "bytes": path.stat().st_size}
        outputs = {other.id: self.output(other) for other in group.upstream if other.id not in unsettled}
        if empty := [name for name, output in outputs.items() if output is None]:
            one = len(empty) == 1
            raise NothingWritten(
                group.where,
                what=f"It needs {' and '.join(empty)}, which {'has' if one else 'have'} no rows yet.",
                state="was not refreshed",
                next_step=f"refresh {'it' if one else 'them'} as well: SELECT={','.join([*empty, group.id])}",
            )
        return {**found, **outputs, **unsettled}

    def output(self, group: FeatureGroup) -> dict[str, Any] | None:
        """A group's table as it is: id, version and content; None when there is none."""
        if self._outputs is None:
            return self._output(group)
        if group.id not in self._outputs:
            self._outputs[group.id] = self._output(group)
        return self._outputs[group.id]

    def _output(self, group: FeatureGroup) -> dict[str, Any] | None:
        stored = self._store.get_or_create_feature_group(group)
        try:
            self._store.reader.resolve(stored.table, None)
        except NothingWritten:
            return None
        state = self._store.writer.states.at(stored.table)
        return {"table_id": state.table_id, "version": state.version, "content": f"{state.fingerprint:032x}"}


def _contract(owner: str, spec: ContractSpec) -> dict[str, str]:
    """The columns and rules of a contract, each as a hash of what it means; descriptions change no row."""
    found = {f"{owner} {c.name}": f"{c.type} {c.nullable} {c.required}" for c in spec.columns}
    for rule in spec.rules:
        name = f"{owner} {rule.name}"
        found[name] = found.get(name, "") + _ADDRESS.sub("", repr(rule.fails()))
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in found.items()}


def _log(group: FeatureGroup) -> str:
    return f"steps/{group.id}"


def _reasons(previous: Json, parts: Json, inputs: Json, output: Json | None) -> list[str]:
    if not previous:
        return ["first run"]
    if output is None:
        return ["its table is gone"]
    reasons = []
    was = previous["output"]
    if was.get("table_id") != output["table_id"]:
        reasons.append("its table was made anew")
    elif was.get("content") != output["content"]:
        reasons.append(f"its table was changed from v{was.get('version')} to v{output['version']}")
    return reasons + changes(previous, parts, inputs)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
