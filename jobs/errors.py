"""What can go wrong in a job, grouped by who must act; each with what, where and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class JobError(Exception):
    """A known failure: what happened, what to do about it, and the exit code it ends in."""

    exit_code = 70

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint

    def __reduce__(self) -> tuple[type[JobError], tuple[str, str]]:
        """Travel between processes with the hint."""
        return type(self), (self.message, self.hint)


class UsageError(JobError):
    """The command or the configuration has to be changed."""

    exit_code = 2


class InputError(UsageError):
    """The input is not what the job reads: missing, damaged or in other units."""


class OutputError(UsageError):
    """The output cannot be written there as asked."""


class ClusterError(UsageError):
    """The Dask cluster that was asked for cannot be used."""


class NotFoundError(JobError):
    """No job, file or store of that name."""

    exit_code = 60


class ItemsFailedError(JobError):
    """Some items failed; the others are done.

    `values` are those of the report.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", values: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, hint)
        self.values = dict(values or {})


class InterruptedRunError(JobError):
    """The user stopped the run."""

    exit_code = 130
