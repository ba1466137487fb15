"""What can be asked of sdo-combine."""

from __future__ import annotations

from jobs.model import Option

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
ROW = (
    Option("plan", "Table of all rows."),
    Option("first", "First row.", int),
    Option("count", "Rows.", int),
)
"""What a row says of its chunk."""
