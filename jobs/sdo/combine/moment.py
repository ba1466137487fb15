"""One moment of a store: its numbers, and a picture of all channels. One read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs import storage
from jobs.errors import InputError, NotFoundError, OutputError
from jobs.model import Report
from jobs.sdo.combine.picture import draw
from jobs.sdo.combine.steps import Ints, text_of
from jobs.sdo.combine.store import ARRAYS, chunk_of, open_group


def show(output: str, minutes: int) -> Report:
    """Print and draw the step next to a moment.

    Raises
    ------
    NotFoundError
        If there is no store.
    InputError
        If no step is near, naming the next ones there are.
    """
    group = _open(output)
    times = np.asarray(group["time"][:], np.int64)
    place = _nearest(times, minutes, int(group.attrs.get("springline_cadence_minutes", 0)))
    images = None if place is None else _images(group, place)
    if place is None or images is None or np.isnan(images).all():
        raise _nothing(group, times, minutes)
    channels = [str(name) for name in group["channel"][:]]
    sources = [str(name) for name in group["source"][place]]
    when = text_of(times[place])
    found = {
        name: _numbers(image) | {"source": source or None}
        for name, image, source in zip(channels, images, sources, strict=True)
    }
    picture: Path | None = _beside(output, when)
    said = f"picture {picture}"
    try:
        storage.write_bytes(str(picture), draw(dict(zip(channels, images, strict=True)), when.replace("T", " ")))
    except OutputError as error:  # the numbers are worth saying without it
        picture, said = None, f"no picture: {error.message}"
    values = {
        "schema_version": 1, "job": "sdo-combine", "output": output, "time": when, "index": place, "channels": found,
        "picture": str(picture) if picture else None,
    }  # fmt: skip
    return Report(values, (f"{when}, step {place:,} of {output}", *_lines(found), said))


def _open(output: str) -> Any:  # noqa: ANN401 - a Zarr group
    try:
        group = open_group(output, consolidated=True)
    except (OSError, ValueError) as error:
        raise NotFoundError(f"{output} is no store that can be read: {error}", "Name one with --output.") from error
    if group.attrs.get("springline_job") != "sdo-combine" or not set(ARRAYS) <= set(group):
        raise NotFoundError(f"{output} is no store of sdo-combine.", "Name one with --output.")
    return group


def _images(group: Any, place: int) -> npt.NDArray[np.float32]:  # noqa: ANN401 - a Zarr group
    try:
        return np.asarray(group["data"][place])
    except (RuntimeError, ValueError) as error:  # what the codecs say of wrong bytes
        chunk = chunk_of("", place // int(group.attrs["springline_shard_steps"]))
        hint = f"Remove {chunk[1:]} in the store: the command that made it makes it anew."
        raise InputError(f"The data of step {place:,} are damaged: {error}.", hint) from error


def _nearest(times: Ints, minutes: int, cadence: int) -> int | None:
    """Place of the step that is at most half a cadence away."""
    place = int(np.abs(times - minutes).argmin())
    reach = cadence or (int(np.diff(times).min()) if times.size > 1 else 0)
    return place if 2 * abs(int(times[place]) - minutes) <= reach else None


def _nothing(group: Any, times: Ints, minutes: int) -> InputError:  # noqa: ANN401 - a Zarr group
    there = times[np.asarray(group["valid"][: times.size]).any(axis=1)]
    after = int(np.searchsorted(there, minutes))
    before = np.searchsorted(there, minutes) - 1
    near = [text_of(there[at]) for at in (before, after) if 0 <= at < there.size]
    return InputError(
        f"The store holds nothing at {text_of(minutes)}.",
        f"The next steps there are: {' and '.join(near)}." if near else "Its run has not come to its end.",
    )


def _numbers(image: npt.NDArray[np.float32]) -> dict[str, Any]:
    if np.isnan(image).all():
        return {"valid": False, "min": None, "mean": None, "max": None}
    exact = np.nanmean(image, dtype=np.float64)
    return {"valid": True, "min": float(np.nanmin(image)), "mean": float(exact), "max": float(np.nanmax(image))}


def _lines(found: dict[str, dict[str, Any]]) -> list[str]:
    lines = [f"  {'channel':<8}{'min':>12}{'mean':>12}{'max':>12}  source"]
    for name, of in found.items():
        if of["valid"]:
            lines.append(f"  {name:<8}{of['min']:>12.4g}{of['mean']:>12.4g}{of['max']:>12.4g}  {of['source'] or ''}")
        else:
            lines.append(f"  {name:<8}{'missing':>12}{'':>24}  {of['source'] or ''}".rstrip())
    return lines


def _beside(output: str, when: str) -> Path:
    """Where the picture goes: beside a local store, else into this directory."""
    place = output.rstrip("/") if storage.is_local(output) else storage.basename(output)
    return Path(f"{place}.{when.replace(':', '')}.png")
