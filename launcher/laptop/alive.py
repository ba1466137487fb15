"""Whether a process of this computer lives, asked in a way that does it no harm on any system."""

from __future__ import annotations

import os
import sys

_SYNCHRONIZE = 0x00100000
_STILL_RUNS = 0x102  # WAIT_TIMEOUT


def lives(pid: int) -> bool:
    """True for a process of ours; one that may not be asked is somebody else's by now."""
    if sys.platform == "win32":  # where os.kill ends the process, whatever the signal
        import ctypes

        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
        if not handle:
            return False
        runs: bool = kernel.WaitForSingleObject(handle, 0) == _STILL_RUNS
        kernel.CloseHandle(handle)
        return runs
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
