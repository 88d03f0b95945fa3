"""What only people can say about the example's models, for their card."""

from __future__ import annotations

from models.model_card import CardText

TEXT = CardText(
    name="films: who may be under 18, and what to watch next",
    intended_use="A worked example: ten films for each user of a film site, those that may be minors from a catalogue "
    "without restricted genres.",
    limits="An age that is inferred from ratings is no assurance of age: about half of the minors are not found. Not "
    "for decisions about people. Ages in the data were stated by the users themselves and never checked.",
    policy="Whoever is a minor with a probability from the threshold on, or too close below it to call, gets films "
    "without horror, crime, film noir, war and thriller. Showing a minor a restricted film counts as several times as "
    "bad as keeping one from an adult.",
    licence="With the real files: MovieLens 1M, GroupLens (Harper and Konstan 2015, doi:10.1145/2827872); research "
    "use, no redistribution without permission, no endorsement by the University of Minnesota. Generated data has no "
    "owner.",
)
