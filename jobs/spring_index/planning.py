"""What a run is to do: the inputs as regions, years and blocks, and what of them the output holds. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

from jobs import storage
from jobs.errors import OutputError, UsageError
from jobs.model import Asked, Row
from jobs.spring_index import output, record
from jobs.spring_index.layout import batch_days, block_shape
from jobs.spring_index.options import Settings, settings
from jobs.spring_index.output import NOTHING, Known, Place
from jobs.spring_index.reading.blocks import Plan
from jobs.spring_index.reading.source import CSV, Collection
from jobs.spring_index.science import daylength
from jobs.spring_index.science.model import Window
from jobs.spring_index.work import Region, Regions, Year, pack


@dataclass(frozen=True)
class Run:
    """A run, planned."""

    settings: Settings
    output: str
    has_regions: bool
    """Whether the store holds regions that hold years, instead of years."""
    regions: Regions
    known: Mapping[str, Known]
    """Path of a year → what of it is there."""
    problems: tuple[Row, ...]
    file: str
    """URL of the file that tells workers of the regions."""
    content: bytes

    def years(self) -> Iterator[tuple[Region, Year, Known]]:
        """All years, region by region."""
        for region in self.regions.values():
            for year in region.years.values():
                yield region, year, self.known[region.path(year.year)]


def planned(asked: Asked) -> Run:
    """Look at inputs and output and decide what there is to do.

    Raises
    ------
    UsageError
        Saying what is wrong with the command, the inputs or the output.
    """
    from jobs.spring_index.inputs.collection import open_collections
    from jobs.spring_index.inputs.listing import listed

    chosen = settings(asked.options)
    found, problems = listed(asked, chosen.years)
    storage.refuse_overlap(asked.output, (one.url for one in found))
    collections = open_collections(found, chosen.years, problems)
    lost = {one.region for one in found} - collections.keys() if "" not in collections else set()
    collections = _clipped(collections, chosen, asked)
    has_regions = len(collections) + len(lost) > 1 or (not asked.overwrite and output.is_of_regions(asked.output))
    sizes = {one.url: one.size for one in found if one.size is not None}
    if has_regions and "" in collections:
        raise OutputError(f"{asked.output} holds regions, and the input does not say which it is.", "Choose another.")
    named = collections if has_regions else dict(zip([""], collections.values(), strict=True))
    regions = {name: _region(name, collection, chosen, asked.output, sizes) for name, collection in named.items()}
    _look_at_store(asked, chosen, has_regions, regions)
    known = _known(regions, asked.overwrite)
    file, content = pack(regions)
    return Run(chosen, asked.output, has_regions, regions, known, tuple(problems), f"{asked.output}/{file}", content)


def _clipped(collections: dict[str, Collection], chosen: Settings, asked: Asked) -> dict[str, Collection]:
    """The cells in the box that is asked for; a region that is outside is left out."""
    if not chosen.bbox:
        return collections
    from jobs.spring_index.inputs.region import clip

    kept: dict[str, Collection] = {}
    for name, collection in collections.items():
        try:
            kept[name] = clip(collection, chosen.bbox)
        except UsageError as error:
            if len(collections) == 1 or (not kept and name == list(collections)[-1]):
                raise
            asked.note(f"{name} is left out: {error.message}")
    return kept


def _region(name: str, found: Collection, chosen: Settings, where: str, sizes: Mapping[str, int]) -> Region:
    where = f"{where}/{name}".rstrip("/")
    if chosen.coarsen > 1 and (found.grid.is_points or min(found.grid.shape) < chosen.coarsen):
        raise OutputError(f"--coarsen {chosen.coarsen} leaves nothing of {found.grid.shape} cells.", "Choose less.")
    chunks = block_shape(found, chosen.chunks, chosen.coarsen)
    is_single = not found.grid.is_points or next(iter(found.years.values()))["tmin"].kind != CSV
    plan = Plan(
        found.grid, found.units, chosen.variant, chosen.plants, found.dayl_source,
        chosen.coarsen, batch_days(found, chunks, chosen.coarsen), where, is_single,
    )  # fmt: skip
    made_from = record.identity(plan, chosen) | {"chunks": chunks, "version": version("springline")}
    with ThreadPoolExecutor(output.THREADS) as pool:
        signatures = pool.map(lambda slots: record.inputs_signatures(slots, sizes), found.years.values())
        years = {}
        for (year, slots), (inputs, stamps) in zip(found.years.items(), signatures, strict=True):
            window = Window(chosen.window.first, min(chosen.window.last, slots["tmin"].days))
            place = Place(f"{where}/{year}", output.signature([made_from, stamps]))
            years[year] = Year(year, slots, window, inputs, place)
    return Region(name, plan, chunks, found.source, years)


def _look_at_store(asked: Asked, chosen: Settings, has_regions: bool, regions: Regions) -> None:
    """Refuse a foreign store, and one of other options or inputs."""
    if has_regions:
        output.prepare(asked.output, record.root_signature(chosen), asked.overwrite)
    for region in regions.values():
        output.prepare(region.plan.output, record.signature(region, chosen), asked.overwrite)


def _known(regions: Regions, replaced: bool) -> dict[str, Known]:
    """What of each year is there, unless the store is replaced.

    Raises
    ------
    OutputError
        For a year that is complete, but was made from other files.
    """
    years = [(region, year) for region in regions.values() for year in region.years.values()]
    with ThreadPoolExecutor(output.THREADS) as pool:
        looks = list(pool.map(lambda pair: NOTHING if replaced else output.look(pair[1].place), years))
    for (region, year), known in zip(years, looks, strict=True):
        if known.attrs is not None and known.attrs.get("springline_inputs_signature") != year.inputs:
            raise OutputError(
                f"{region.plan.output} has {year.year} already, from other input files.",
                "Add --overwrite to replace the store, or choose another --output.",
            )
    return {region.path(year.year): known for (region, year), known in zip(years, looks, strict=True)}


def notes(run: Run) -> Iterator[str]:
    """What the user should know before waiting."""
    if stale := [region.path(year.year) for region, year, known in run.years() if known.is_stale]:
        yield f"{', '.join(stale)}: the inputs or options have changed since this was begun; all blocks are done anew."
    for region in run.regions.values():
        of = f" of {region.name}" if region.name else ""
        last = run.settings.window.last
        short = [year.year for year in region.years.values() if year.window.last < last]
        if short:
            yield f"{', '.join(map(str, short))}{of}: fewer than {last} days; the search ends with the data."
        formula = region.plan.dayl_source
        if formula != daylength.FILE:
            yield f"No day length in the input{of}: computed from latitude ({formula} formula)."
