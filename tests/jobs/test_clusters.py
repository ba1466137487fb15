"""The cluster that a job starts on this machine: nobody else's way in."""

from __future__ import annotations

import psutil
import pytest

from jobs.clusters import Workers, connect


@pytest.mark.parametrize("threads", [False, True], ids=["processes", "threads"])
def test_only_this_machine_reaches_it_and_only_with_its_key(threads: bool) -> None:
    """Every port is on 127.0.0.1, and processes speak TLS."""
    with connect("local", Workers(2, 2), 10, 4, threads=threads) as client:
        ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
        ports = [one.laddr.ip for process in ours for one in process.net_connections("tcp") if one.status == "LISTEN"]
        assert ports and set(ports) == {"127.0.0.1"}
        assert client.submit(sum, [1, 2]).result() == 3
        assert client.cluster.scheduler_address.startswith("inproc:" if threads else "tls:")
