"""The packaged job: copies of the assets that are needed, and a catalog that names them."""

from __future__ import annotations

from jobs.model import BatchJob, Option

HOOK_OPTIONS = (
    Option(
        "update", "Rewrite the hrefs in the catalog itself, instead of writing a catalog beside the copies.",
        type=bool, default=False,
    ),
)  # fmt: skip
COLUMNS = (
    Option("item", "Id of the item."),
    Option("asset", "Key of the asset."),
    Option("name", "What the copy is called."),
    Option("filesize", "What the catalog says [bytes].", int),
    Option("checksum", "What the catalog says, as a multihash."),
    Option("media", "What the catalog says it is, as a media type."),
    Option("signed", "The URL with what lets somebody in for a while; it is written down nowhere."),
)
"""What a row says of its asset."""

JOB = BatchJob(
    name="stac-stage",
    summary="Copy the assets that are needed of a STAC catalog, verified, and rewrite their hrefs.",
    about=(
        "Each file is checked and appears whole or not at all; what is there already is not copied again. The "
        "catalog that is written names copies where there are copies, and the original elsewhere."
    ),
    function="jobs.stac.copy:stage",
    input_help="A STAC catalog, collection or item (file or URL), or a STAC API.",
    hook_options=HOOK_OPTIONS,
    columns=COLUMNS,
    plan="jobs.stac.staging:plan",
    begin="jobs.stac.staging:begin",
    finish="jobs.stac.staging:finish",
    one_object=True,
    catalogs=True,
    output_aliases=("--to",),
    examples=(
        "daymet/catalog.json --items 'hi-198*' --assets tmin,tmax --to /data/hawaii",
        "https://earth-search.aws.element84.com/v1 --collections sentinel-2-l2a --bbox 4.7,52.3,4.8,52.4 "
        "--time 2023-05 --assets red,nir --to s3://mine/amsterdam",
        "daymet/catalog.json --assets dayl --to /data/daymet --update",
    ),
)
