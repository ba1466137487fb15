"""Every error a user can meet, grouped by who must act. Each has a message, a hint and an exit code."""

from __future__ import annotations


class SpringlineError(Exception):
    """What went wrong and where (`message`), what to do next (`hint`), and the exit code for scripts."""

    exit_code = 70

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# --- The user corrects a command or a file ---------------------------------------------------------


class UsageError(SpringlineError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class ConfigurationError(SpringlineError):
    """A platform section, or what it says about the cluster, is wrong."""

    exit_code = 2


class AnswerError(SpringlineError):
    """The command's answer cannot be written: the disk is full, or a quota."""

    exit_code = 2


class NotFoundError(SpringlineError):
    """No such session, platform or job."""

    exit_code = 60


# --- The way to the cluster is closed: network, account or host ------------------------------------


class ConnectError(SpringlineError):
    """The host cannot be reached, or the connection was lost."""

    exit_code = 10


class AuthenticationError(ConnectError):
    """The host does not accept this user with these keys."""

    exit_code = 11


class HostKeyError(ConnectError):
    """The host's key is unknown, or not the one that was seen before."""

    exit_code = 12


# --- The scheduler answers, or fails to ------------------------------------------------------------


class SubmissionRefused(SpringlineError):
    """The scheduler said no; nothing was submitted."""

    exit_code = 20


class SubmissionUnknown(SpringlineError):
    """The scheduler's answer was lost: the job may or may not exist."""

    exit_code = 21


class StillPending(SpringlineError):
    """The job still waits in the queue; it was left there."""

    exit_code = 30


class StartTimeout(SpringlineError):
    """The job runs but the session did not become ready in time."""

    exit_code = 31


# --- The job is over -------------------------------------------------------------------------------


class JobFailed(SpringlineError):
    """The job ended with an error."""

    exit_code = 40


class JobOutOfMemory(JobFailed):
    """The scheduler killed the job for its memory."""

    exit_code = 41


class JobTimeLimit(JobFailed):
    """The job reached its walltime."""

    exit_code = 42


class JobCancelled(JobFailed):
    """The job was cancelled or preempted."""

    exit_code = 43


class JobStopped(JobCancelled):
    """The user's own `springline stop` or `springline cancel` ended it, here or elsewhere."""


class AnalysisFailed(SpringlineError):
    """An analysis on a platform ended by itself, with an exit code of its own."""

    def __init__(self, exit_code: int, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


# --- On the laptop ---------------------------------------------------------------------------------


class TunnelError(SpringlineError):
    """The local port or the way through the tunnel does not work."""

    exit_code = 50


class Interrupted(SpringlineError):
    """The user asked to stop waiting."""

    exit_code = 130
