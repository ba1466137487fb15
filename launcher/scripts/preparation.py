"""What can be wrong on a platform before anything is submitted, as errors that say what to change. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from launcher.errors import ConfigurationError
from launcher.model import Platform
from launcher.schedulers.base import Answer, Scheduler


class DirectoryExists(Exception):
    """The session's or run's directory is there already."""


def preparation_error(
    platform: Platform, scheduler: Scheduler, where: str, steps: Mapping[str, str], answer: Answer
) -> Exception:
    """What went wrong before the submission; `steps` are those it announced."""
    section = f"[{platform.name}]"
    said = answer.errors.strip().splitlines()[-1:] or [_end_words(steps.get("@ended", ""))]
    if "@missing" in steps:
        return ConfigurationError(
            f"{where}: there is no '{steps['@missing']}' on the path",
            f"is this the login host of a {scheduler.name} cluster? Check `host` and `scheduler` of {section}",
        )
    if "@exists" in steps:
        return DirectoryExists()
    if "@unsafe" in steps:
        path = steps["@unsafe"].removesuffix("/.") or "/"
        return ConfigurationError(
            f"{where}: others could replace your session's files in {platform.run_dir}: "
            f"{path} belongs to another user, or everybody may write there",
            f"set `run_dir` of {section} to a directory below your home that all nodes share, e.g. ~/.springline",
        )
    if "@directory" in steps:
        return ConfigurationError(
            f"{where}: cannot write in {platform.run_dir}: {said[0]}",
            f"free some space, or set `run_dir` of {section} to a directory of yours that all nodes share",
        )
    if "@modules" in steps:
        python, _, missing = steps["@modules"].partition(" ")
        names = "'springline[jobs]'" if "jobs" in missing.split() else " ".join(missing.split()).replace("_", "-")
        return ConfigurationError(
            f"{where}: {python} has no {', '.join(missing.split())}",
            f"install an environment there: springline env install {platform.name}; or into this Python: "
            f"{python} -m pip install {names}; or set `python` of {section} to one that has them",
        )
    if "@gateway" in steps:
        return ConfigurationError(
            f"{where}: dask-gateway has no address",
            f"set `gateway_address` of {section}, or `gateway.address` of your Dask configuration there",
        )
    if "@image" in steps:
        return ConfigurationError(
            f"{where}: there is no image {steps['@image']}",
            f"set `image` of {section} to one that is there, or make one: springline env install --method image",
        )
    program = "apptainer or singularity" if platform.image else f"Python as '{platform.python}'"
    return ConfigurationError(
        f"{where}: cannot run {program}: {said[0]}",
        f"set `python` of {section} to a Python with jupyterlab and dask, or load what it takes in `prologue`",
    )


def _end_words(code: str) -> str:
    """Why Python gave no word, where nothing was said on stderr."""
    if code in ("", "127"):
        return "there is no such program"
    return f"the shell ended with code {code} before Python answered; is there an `exit` or `exec` in `prologue`?"
