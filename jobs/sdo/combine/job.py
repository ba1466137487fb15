"""The packaged job: single NPZ files to a store that has all channels of a moment in one piece."""

from __future__ import annotations

from jobs.model import BatchJob, Option

OPTIONS = (
    Option("legacy-pkl", "Also write YYYY/MM/DD/SDO…_all.pklz below this directory, for old readers.", metavar="DIR"),
)
HOOK_OPTIONS = (
    Option("show", "Print and draw the moment T of the store --output, nothing else.", metavar="T"),
    Option("root", "What the inventory's paths are relative to; default: found.", metavar="DIR|URL"),
    Option("channels", "Channels to take, such as 0094,0171,bx; a new store has room for these. Default: all."),
    Option("start", "Leave earlier steps out; a new store begins here.", metavar="T"),
    Option("stop", "Leave this and later steps out.", metavar="T"),
    Option("cadence", "Minutes between the steps of a new store, 0: as they are listed. Default: found.", int),
    Option(
        "layout", "One object a step, or shards of several steps in a file. Default: by the output.",
        choices=("object", "posix"),
    ),
    Option("shard-steps", "Steps in a shard of the layout posix. Default: 8.", int),
    Option("binning", "How AIA pixels were put together; noted only. Default: sum.", choices=("sum", "mean")),
)  # fmt: skip
COLUMNS = (
    Option("plan", "Table of all rows."),
    Option("first", "First row.", int),
    Option("count", "Rows.", int),
)
"""What a row says of its chunk."""

JOB = BatchJob(
    name="sdo-combine",
    summary="NPZ files of SDOML, one for each channel, to one store: all channels of a moment in one read.",
    about=(
        "Moments of ten channels lie in files of their own channel; the store holds them side by side, with "
        "what is missing marked. A store that is there grows, and what is in it is skipped."
    ),
    function="jobs.sdo.combine.shard:combine",
    input_help="An inventory (.pkl, .parquet, .csv), or a directory that is searched for NPZ files.",
    options=OPTIONS,
    hook_options=HOOK_OPTIONS,
    columns=COLUMNS,
    answer="jobs.sdo.combine.hooks:answer",
    plan="jobs.sdo.combine.hooks:plan",
    begin="jobs.sdo.combine.hooks:begin",
    finish="jobs.sdo.combine.hooks:finish",
    one_object=True,
    catalogs=False,
    examples=(
        "--input sdoml/SDOMLnpz/inventory.pkl --output sdoml.zarr",
        "--input s3://bucket/SDOMLnpz/ --output s3://mine/sdoml.zarr --start 2012-01-01 --stop 2013-01-01",
        "--output sdoml.zarr --show 2012-03-07T00:24",
    ),
)
