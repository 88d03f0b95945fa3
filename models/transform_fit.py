"""Fit a transform: what it learns, it learns from the rows given here, the training split, and from no target."""

from __future__ import annotations

import polars as pl
from threadpoolctl import threadpool_limits

from models.errors import NothingToFit
from models.fitted_block import FittedBlock, applied, check_inputs, encoded
from models.fitted_transform import FittedTransform
from models.step_fits import fit_encoder, fit_step, normalisation
from models.transform import Block, Transform


def fit(transform: Transform, rows: pl.DataFrame) -> FittedTransform:
    """The transform, fitted. The same rows give the same bits.

    Args:
        transform: Its blocks of weight 0 are not fitted.
        rows: The training split, at least one row, with the columns that those blocks read.

    Raises:
        InputsMismatch: Columns are missing or of other types.
        NothingToFit: There is no row, or a step finds nothing to learn from in them.
        ValuesMissing: A number is missing, and nothing imputes it.
        StepFailed: An estimator refuses the rows.
    """
    on = [block for block in transform.blocks if block.weight]
    read = {name: transform.inputs[name] for block in on for encoder in block.encoders for name in encoder.reads}
    check_inputs(rows, read, transform.where)
    if rows.is_empty():
        raise nothing(transform, "It got no rows.", "give the training split.")
    # Several threads would sum in another order each time.
    with threadpool_limits(limits=1):
        blocks = tuple(_block(transform, block, rows) for block in on)
    weights = {block.name: float(block.weight) for block in on}
    inputs = dict(transform.inputs)
    return FittedTransform(transform.name, transform.version, transform.fingerprint, inputs, blocks, weights)


def _block(transform: Transform, block: Block, rows: pl.DataFrame) -> FittedBlock:
    encoders = tuple(fit_encoder(encoder, rows) for encoder in block.encoders)
    steps = []
    if not any(encoder.columns for encoder in encoders):
        what = f"Block {block.name!r} finds nothing to learn in {rows.height:,} rows."
        raise nothing(transform, what, "lower min_rows, or give rows that hold values.")
    made = encoded(block.name, encoders, rows, transform.where, may_miss=block.imputes)
    for declared in (*block.then, *normalisation(block.normalise)):
        step = fit_step(declared, made, block.name, transform.where)
        made = applied(block.name, step, made, transform.where)
        steps.append(step)
    return FittedBlock(block.name, encoders, tuple(steps))


def nothing(transform: Transform, what: str, next_step: str) -> NothingToFit:
    """The error of rows from which nothing can be learnt."""
    return NothingToFit(transform.where, what=what, state="was not fitted", next_step=next_step)
