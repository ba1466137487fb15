"""The packaged job: files of a cloud registry, or named ones, to a time series; one item for each file."""

from __future__ import annotations

from jobs.model import BatchJob, Option

OPTIONS = (
    Option(
        "statistic",
        "What is made of each image: mean, sum, header:KEY (reads only the header), or module:function or "
        "script.py:function, which is given the image.",
        default="mean",
        metavar="NAME",
    ),
    Option("verify", "Also refuse files that carry no checksum to be verified by.", type=bool, default=False),
    Option("trust", "Verify no checksums, such as of files whose headers were edited.", type=bool, default=False),
    Option("endpoint-url", "Another S3 service than Amazon's.", metavar="URL"),
    Option("anonymous", "Read S3 without keys, also where there are some.", type=bool, default=False),
)
HOOK_OPTIONS = (
    Option("catalog", "A cloud registry: its catalog.json, or the folder or bucket that holds it.", metavar="URL"),
    Option("dataset", "Which of its datasets, such as aia_0094.", metavar="ID"),
    Option("start", "Files from this time on: 2020, 2020-02-17, 2020-02-17T12:00.", metavar="TIME"),
    Option("stop", "Files before this time.", metavar="TIME"),
    Option("list", "Say which datasets there are, and do nothing.", type=bool, default=False),
    Option(
        "quality", "Leave out the values of files whose QUALITY is another; 0: nothing wrong.", type=int, metavar="N"
    ),
    Option("parquet", "Write the series to this file too.", metavar="FILE"),
    Option("plot", "Draw the series as OUTPUT.png.", type=bool, default=False),
)
COLUMNS = (
    Option("start", "Time of the file in the registry."),
    Option("sample", "Measure it too where DATAMEAN is trusted.", type=bool),
    Option("filesize", "Bytes, as the registry has it.", type=int),
)

JOB = BatchJob(
    name="sdo-irradiance",
    summary="The mean of thousands of solar images, from a cloud registry or named files, as a time series.",
    about=(
        "Each image becomes one number. A file that is missing or damaged keeps its row, with a status that "
        "says so. What is in the series already is not read again."
    ),
    function="jobs.sdo.irradiance.measurement:irradiance",
    input_help="FITS files instead of a registry: paths, globs or URLs; lists go to --items.",
    options=OPTIONS,
    hook_options=HOOK_OPTIONS,
    columns=COLUMNS,
    answer="jobs.sdo.irradiance.hooks:answer",
    plan="jobs.sdo.irradiance.hooks:plan",
    begin="jobs.sdo.irradiance.hooks:begin",
    finish="jobs.sdo.irradiance.hooks:finish",
    prefetch="jobs.sdo.irradiance.measurement:prefetch",
    returns_row=True,
    catalogs=False,
    wall_limit=600.0,
    examples=(
        "--catalog s3://gov-nasa-hdrl-data1/ --list",
        "--catalog s3://gov-nasa-hdrl-data1/ --dataset aia_0094 --start 2020 --stop 2021 --output aia94.zarr --plot",
        "'level1/*.fits' --output level1.zarr --statistic sum --quality 0 --parquet level1.parquet",
    ),
)
