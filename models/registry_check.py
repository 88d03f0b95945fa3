"""Whether the releases of a registry are what their ids say: manifests, members, reports, each by its sha256."""

from __future__ import annotations

import hashlib

from feature_groups.store.digest import digest
from feature_groups.store.errors import AlluviaError
from feature_groups.store.verify import Verified
from models.registry import Registry

_RESTORE = "restore the registry's folder from a copy; a release that is whole can serve: alluvia rollback."


def verified_releases(registry: Registry) -> list[Verified]:
    """What was found of every release, oldest first; reads every member, loads none.

    Members that are not there are a problem of the champion and the challenger only: a collection takes those that no
    release in use needs.
    """
    state = registry.state()
    serving = {state.champion, state.challenger}
    return [_checked(registry, entry.id, serves=entry.id in serving) for entry in registry.releases()]


def _checked(registry: Registry, name: str, *, serves: bool) -> Verified:
    try:
        release = registry.get(name)
    except AlluviaError as error:
        return Verified("release", name, 1, 0, problems=(error.what,), next_step=error.next_step)
    problems, files, size = [], 1, 0
    for role, reference in release.stored.items():
        path = f"{registry.root}/objects/{reference.sha256}"
        data = registry.metadata.get_bytes(path)
        if data is None:
            problems += [f"the bytes of {role!r} are gone: {path}"] if serves else []
            continue
        files, size = files + 1, size + len(data)
        if (found := hashlib.sha256(data).hexdigest()) != reference.sha256:
            problems.append(f"the bytes of {role!r} were changed: {path} has the sha256 {found[:12]}")
    if release.report:
        report = registry.report(release)
        if report is None or digest(report) != release.report:
            gone = "is gone" if report is None else "was changed"
            problems.append(f"its evaluation report {gone}: {registry.root}/reports/{release.report}.json")
        files += report is not None
    return Verified("release", name, files, size, problems=tuple(problems), next_step=_RESTORE if problems else "")
