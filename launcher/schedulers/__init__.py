"""Schedulers are languages: commands out, text in, no I/O."""

from __future__ import annotations

from launcher.schedulers.base import Scheduler


def scheduler_for(name: str) -> Scheduler:
    """The scheduler of that name in platforms.ini."""
    from launcher.schedulers.local import LocalScheduler
    from launcher.schedulers.pbs import PbsScheduler
    from launcher.schedulers.slurm import SlurmScheduler

    languages: dict[str, type[Scheduler]] = {"slurm": SlurmScheduler, "pbs": PbsScheduler, "local": LocalScheduler}
    return languages[name]()
