"""The packaged job: Sentinel-1 GRD products to L1B, one item for each product."""

from __future__ import annotations

from jobs.l1b.options import OPTIONS
from jobs.model import BatchJob

JOB = BatchJob(
    name="l1b",
    summary="Sentinel-1 GRD products to calibrated, denoised sigma0 on a grid of a kilometre.",
    about=(
        "Each product becomes a store or file of its own, with incidence angle, coordinates and noise beside "
        "sigma0. Products are looked at before anything is computed: what is damaged or lacks something fails "
        "at once, with why."
    ),
    function="jobs.l1b.product:l1b",
    input_help="SAFE folders: paths or globs, or a STAC catalog that names some; lists go to --items.",
    options=OPTIONS,
    target="jobs.l1b.product:target",
    check="jobs.l1b.preflight:check",
    select="jobs.l1b.preflight:select",
    assets="jobs.l1b.assets:products",
    wall_limit=1800.0,
    examples=(
        "'S1*.SAFE' --output l1b/",
        "--input '/data/S1A/2021/12*/*.SAFE' --output l1b/ --format netcdf --newest-ipf",
        "'S1*.SAFE' --output l1b/ --resolution 500 --polarisations VV --land-mask land.shp --plot",
        "--input catalog.json --items 'S1A*' --bbox 4,51,6,53 --time 2021-12 --output l1b/",
    ),
)
