"""The packaged job: daily weather to a Zarr group per year; an item is one block of a year."""

from __future__ import annotations

from jobs.model import BatchJob, Option
from jobs.spring_index.options import OPTIONS

COLUMNS = (
    Option("plan", "File of all regions and years."),
    Option("region", "Empty where there is only one."),
    Option("year", "Year.", int),
    Option("block", "Row and column of the block."),
)
"""What a row says of its block."""

JOB = BatchJob(
    name="spring-index",
    summary="First leaf, first bloom, last freeze and damage from daily temperatures (SI-x).",
    about=(
        "The extended spring indices: lilac and two honeysuckles, one group per year in a Zarr store, as day "
        "of year. Blocks of a year are the items: what is there is skipped, and the same command goes on "
        "after any stop. Variants reproduce other published codes."
    ),
    function="jobs.spring_index.item:compute",
    input_help="Daymet NetCDF files, single-pixel CSV files, a Zarr store or a STAC catalog: paths, globs or URLs.",
    hook_options=OPTIONS,
    columns=COLUMNS,
    plan="jobs.spring_index.hooks:plan",
    begin="jobs.spring_index.hooks:begin",
    finish="jobs.spring_index.hooks:finish",
    returns_row=True,
    examples=(
        "--input daymet/ --output spring.zarr --plot",
        "--input 'daymet/*_198?.nc' --output spring.zarr --bbox=-125,24,-66,50 --coarsen 4",
        "--input pixels/*.csv --output stations.zarr --years 2000:2002 --variant rsdat",
        "--input catalog.json --items 'na-*' --output spring.zarr --years 1980:1999",
    ),
)
