"""Every command that the documentation shows exists, with its options and arguments; nothing runs here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import inline, kits, stories
from tests.docs.commands import Page, Shown, pages, read
from tests.docs.parsing import problem


def lay_scripts(page: Page | None) -> None:
    """Write the functions that commands name: those of the page, and ours for the rest."""
    texts = {**stories.SCRIPTS, **dict(page.files if page else ())}
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8")
    kits.install(Path("site"), texts)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path / "site")


def wrong(shown: list[Shown], page: Page | None = None) -> str:
    """What is wrong with commands, a line each."""
    lay_scripts(page)
    found = ((one, problem(stories.story_of(one.file).filled(one.text))) for one in shown)
    return "\n".join(f"{one}\n    {why}" for one, why in found if why)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.file)
def test_commands_of_a_page(page: Page) -> None:
    """The real commands take every word of it."""
    assert not (said := wrong(page.of("block", "script"), page)), f"\n{said}"


def test_examples_of_help() -> None:
    """So they do with every example of a --help."""
    assert not (said := wrong(stories.helped())), f"\n{said}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.file)
def test_commands_inside_sentences(page: Page) -> None:
    """What stands inside a sentence may leave things out, but names commands and options that exist."""
    lay_scripts(page)
    found = ((shown, inline.problem(shown.text)) for shown in (*page.of("inline"), *page.options))
    said = "\n".join(f"{shown}\n    {why}" for shown, why in found if why)
    assert not said, f"\n{said}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.file)
def test_blocks_of_commands_hold_nothing_else(page: Page) -> None:
    """A block that is no commands says its language, so that nothing escapes the tests unseen."""
    said = "\n".join(map(str, page.strays))
    assert not said, (
        f"neither a command nor, with two spaces before it, what one answers (`text` blocks are free):\n{said}"
    )


def test_nothing_escapes() -> None:
    """Every command is in a story or in the table of those only parsed, which is printed; none is left over."""
    told = stories.told()
    assert {page.file for page in told} == set(stories.STORIES), "pages without a story, or stories without a page"
    typed = {shown for page in told for shown in stories.kept(page)}
    escaped = [str(shown) for shown in stories.everything() if shown not in typed and not stories.why_not(shown)]
    assert not escaped, "neither in a story nor in the table of what is only parsed"
    for file, pattern, why in stories.NOT_RUN:
        matched = [one for one in stories.everything() if re.fullmatch(file, one.file) and re.search(pattern, one.text)]
        assert matched, f"no command is left for the row {file} {pattern}: {why}"
    print(
        *(f"{shown}\n    not run: {why}" for shown in stories.everything() if (why := stories.why_not(shown))), sep="\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("springline up mycluster --wall 1", "No such option"),
        ("springline upp mycluster", "No such command"),
        ("springline run spring-index --input a --output b --years-of 1", "No such option"),
        ("springline run nosuch", "no job called"),
        ("springline run map gone.py:smooth --target a", "There is no file gone.py"),
        ("springline run spring-index --input a --output b --in-alocation --on spider", "No such option"),
        ("python -m jobs rum spring-index", "No such command"),
        ("runJupyterDaskOnSLURM --uid a --mod run --x", "unrecognized arguments"),
        ("make tset", "makes no tset"),
        ("pip install 'springline[job]'", "no extra job"),
        ("sbatch nosuch.sh", "no script"),
        ("python -m pytest tests/nosuch", "no tests/nosuch"),
        ("springline up 'mycluster", "No closing quotation"),
        ("sprinline up", "no program"),
        ("springline up mycluster   on a cluster", "unexpected extra arguments"),
    ],
)
def test_mistakes_are_seen(text: str, said: str) -> None:
    """Wrong options, commands, jobs, files, targets, extras and quotes are each said."""
    assert said in problem(text)


def test_file_and_line_are_said() -> None:
    """Commands are found where they stand: in blocks, lists, admonitions, tables and sentences, not in output."""
    text = """\
# T
- a list
  ```
  springline ls  # all
  springline run map \\
      x
    output
  ```

```{note}
`springline up --x`
~~~console
$ springline stop
stopped
~~~
```

| `springline url A` |
|---|

```
no command
```
"""
    page = read("p.md", text)
    at = [(shown.line, shown.text, shown.kind) for shown in page.commands]
    assert at == [
        (4, "springline ls  # all", "block"),
        (5, "springline run map x", "block"),
        (11, "springline up --x", "inline"),
        (13, "springline stop", "block"),
        (18, "springline url A", "inline"),
    ]
    assert [(shown.line, shown.text) for shown in page.strays] == [(22, "no command")]
