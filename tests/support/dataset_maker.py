"""A training dataset in a process of its own: ``dataset_maker.py LAKE create|rebuild``; says number and content."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from feature_groups.store import HashSplit, TrainingDataset
from shop import minors, opened, spine

SPLIT = HashSplit(0.6, 0.2, 0.2)


def make(lake: Path, verb: str = "create") -> TrainingDataset:
    """The dataset, or what it is made again."""
    view = opened(lake).get_or_create_feature_view(minors())
    return view.rebuild(1) if verb == "rebuild" else view.create_training_dataset(spine(), split=SPLIT, seed=3)


if __name__ == "__main__":
    lake, verb = sys.argv[1:]
    sys.stdin.readline()
    made = make(Path(lake), verb)
    print(json.dumps([made.number, {name: part["content"] for name, part in made.manifest["parts"].items()}]))
