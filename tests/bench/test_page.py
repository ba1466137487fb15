"""The performance page: sections are replaced one by one, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

from tests.bench.page import outputs, put


def test_a_bench_replaces_its_own_section_alone(tmp_path: Path) -> None:
    """What stood there of it goes, what others measured and what people wrote stays; a table is closed."""
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n\nWritten by hand.\n", encoding="utf-8")
    put(page, "startup", "old", "2001-01-01", "a machine")
    put(page, "batch", "| a |\n- a goal: reached\n", "2002-02-02", "a machine")
    put(page, "startup", "a machine\n\nnew\n", "2003-03-03", "a machine")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Performance\n\nWritten by hand.\n\n<!-- bench: batch -->\n## The batch engine\n")
    assert "| a |\n\n- a goal: reached" in text
    assert text.endswith("`python -m tests.bench startup`, 2003-03-03: a machine\n\nnew\n")
    assert "old" not in text


def test_a_log_gives_what_ran_to_its_end() -> None:
    """A bench that failed leaves its section as it was, and the shell's own last words are no part of one."""
    log = "\n## batch\n\n12 ms\n\n## l1b\n\nTraceback (most recent call last):\n\n## startup\n\n1 ms\n\nreal\t1m\n"
    assert {name: text.strip() for name, text in outputs(log)} == {"batch": "12 ms", "startup": "1 ms"}
