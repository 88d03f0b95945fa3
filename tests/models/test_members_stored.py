"""The project's own members are stored by content and come back answering bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from modal import EVERYTHING, rows
from models.artefact import pack, unpack
from models.catalogue import Catalogue
from models.ease import Ease
from models.fitted_transform import FittedTransform
from models.golden import Golden
from models.popularity import Popularity
from models.transform_fit import fit
from released import registry

TRAINED_ON, ASKED = rows(120), rows(25, seed=1)


def test_a_transform_of_every_modality_is_restored_bit_for_bit(lake: Path) -> None:
    fitted = fit(EVERYTHING, TRAINED_ON)
    made = registry(lake)
    reference = made.put(fitted)
    assert made.put(fit(EVERYTHING, TRAINED_ON)) == reference, "fitted again it is the same member"
    assert made.put(fit(EVERYTHING, rows(120, seed=2))) != reference
    back = made.restore(reference, [FittedTransform])
    assert isinstance(back, FittedTransform)
    assert back.apply(ASKED).values.tobytes() == fitted.apply(ASKED).values.tobytes()
    golden = Golden.asked(ASKED, lambda asked: {"values": fitted.apply(asked).values})
    packed = pack(golden)
    again = Golden.of(unpack(packed.data, packed.sha256))
    assert again.check(lambda asked: {"values": back.apply(asked).values}, "release").equal


def test_rankers_are_restored_bit_for_bit(lake: Path) -> None:
    made = registry(lake)
    films = Catalogue(np.array([3, 5, 8]), np.array([False, True, False]))
    popular = Popularity(films, np.array([4, 9, 1]))
    back = made.restore(made.put(popular), [Ease, Popularity, Catalogue])
    assert isinstance(back, Popularity)
    assert back.liked.tobytes() == popular.liked.tobytes()
    assert pl.Series(back.catalogue.items).equals(pl.Series(films.items))
    kinds = {cls.kind for cls in (Ease, Popularity, Catalogue, FittedTransform, Golden)}
    assert len(kinds) == 5
