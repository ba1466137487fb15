"""The pages: they build without a warning, hold all that the code says, lead nowhere wrong and are searched offline."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.docs.site import ROOT, Site

EXTENSIONS = ROOT / "docs"


def public(half: str) -> Iterator[str]:
    """The full names of the public functions and classes of a half; commands of click have a page of their own."""
    for source in sorted((ROOT / half).rglob("*.py")):
        parts = source.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__main__":
            continue
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith(
                "_"
            ):
                decorators = " ".join(map(ast.unparse, node.decorator_list))
                if "command" not in decorators and "group" not in decorators:
                    yield f"{module}.{node.name}"


def extension(code: str) -> str:
    """What a line of Python prints that may import the pages' own extensions."""
    done = subprocess.run([sys.executable, "-c", code], cwd=EXTENSIONS, capture_output=True, text=True, check=True)
    return done.stdout


def test_pages_build_without_a_warning(site: Site) -> None:
    """Every link, name and option on the pages is one that exists; nothing would be fetched from elsewhere."""
    assert site.code == 0, site.said


def test_every_public_function_has_its_place(site: Site) -> None:
    """The pages of the code hold every public function and class of both halves."""
    from sphinx.util.inventory import InventoryFile

    found = InventoryFile.loads((site.folder / "objects.inv").read_bytes(), uri="")
    kinds = ("py:function", "py:class", "py:exception", "py:attribute", "py:data")
    there = {name for kind in kinds for name in found.data.get(kind, {})}
    wanted = {*public("launcher"), *public("jobs")}
    assert len(wanted) > 1000
    assert wanted - there == set()


def test_messages_are_there_as_the_code_has_them(site: Site) -> None:
    """A message with what changes in it, what to do about it, and a hint that stands in a table, by exit code."""
    page = (site.folder / "reference/exit-codes.html").read_text(encoding="utf-8")
    refused = page.partition('id="exit-code-42-job-time-limit"')[2].partition("</section>")[0]
    assert "ask for more --walltime; what was saved in files is still there" in refused
    usage = page.partition('id="exit-code-2-usage"')[2].partition('id="exit-code-10')[0]
    assert "is not known." in usage and "<em>name</em>" in usage and usage.count("<dt") > 300


def test_every_message_says_what_to_do(site: Site) -> None:
    """Nothing in the list is without advice, and the words of the scheduler are among what is explained."""
    page = (site.folder / "reference/exit-codes.html").read_text(encoding="utf-8")
    assert page.count("<dd>") > 500 and not re.search(r"<dd>\s*(<p>\s*</p>)?\s*</dd>", page)
    trouble = (site.folder / "trouble.html").read_text(encoding="utf-8")
    assert all(
        word in trouble for word in ("JobHeldUser", "Licenses", "AssocGrpCpuLimit", "QOSMaxSubmitJobPerUserLimit")
    )


def test_every_directive_stands_on_a_page() -> None:
    """What the code can tell of itself is told somewhere."""
    names = extension("from _extensions.generated import DIRECTIVES; print(*DIRECTIVES)").split()
    text = "\n".join(page.read_text(encoding="utf-8") for page in EXTENSIONS.rglob("*.md"))
    assert [name for name in names if f"{{{name}}}" not in text] == []


def test_a_name_that_does_not_exist_is_a_warning(tmp_path: Path) -> None:
    """A page that asks for an analysis that is not there does not build."""
    (tmp_path / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(EXTENSIONS)!r})\n"
        "extensions = ['myst_parser', '_extensions.generated']\n"
        "myst_enable_extensions = ['colon_fence', 'attrs_inline']\n"
    )
    (tmp_path / "index.md").write_text("# Page\n\n```{job-options} autumn\n```\n\n```{job-options} batch\n```\n")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "'autumn'" in done.stderr
    assert done.stderr.count("WARNING") + done.stderr.count("ERROR") == 1, done.stderr


def test_broken_links_are_found(tmp_path: Path) -> None:
    """A page, a place in a page and a script from elsewhere that are wrong, and nothing else."""
    (tmp_path / "b.html").write_text('<p id="here">')
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">x</a> <a href="https://example.org/">x</a> <a href="c.html">x</a>'
        '<a href="b.html#there">x</a> <script src="https://example.org/x.js"></script>'
    )
    code = "from pathlib import Path; from _extensions.links import broken; print(*broken(Path({!r})), sep='\\n')"
    lines = extension(code.format(str(tmp_path)))
    assert lines.splitlines() == [
        "a.html: c.html is not there",
        "a.html: b.html#there: the page has no such place",
        "a.html: https://example.org/x.js would be fetched from elsewhere",
    ]


@pytest.fixture(scope="module")
def found(site: Site) -> Iterator[Callable[[str], list[str]]]:
    """Searches the pages from the disk, without a server: where the first results lead to."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("needs Debian's chromium: tests/prepare.sh slurm")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()

        def search(words: str) -> list[str]:
            page.goto((site.folder / "search.html").as_uri() + f"?q={quote(words)}")
            page.wait_for_function(
                "/finished|did not match/.test(document.querySelector('.search-summary')?.innerText)"
            )
            links = page.locator("#search-results li a")
            return [link.get_attribute("href") or "" for link in links.all()[:3]]

        yield search
        browser.close()


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("worker_death_timeout", "platforms.html"),
        ("idle_stop", "platforms.html"),
        ("QOSMaxCpuPerUserLimit", "trouble.html"),
        ("Permission denied (publickey)", "trouble.html"),
        ("41", "reference/exit-codes.html#exit-41"),
        ("scale", "reference/commands.html#command-scale"),
        ("spring index", "validation.html spring-index.html notebooks/spring-index.html"),
    ],
)
def test_search_finds_the_page(words: str, place: str, found: Callable[[str], list[str]]) -> None:
    """Keys, reasons, exit codes and commands lead first to the page that explains them, not to the changelog."""
    assert found(words)[0] in place.split()


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("springline: there is no session 'nope' here", "there is no session"),
        ("springline: there is no platform 'spidr'; did you mean 'spider'?", "there is no platform"),
        (
            "mycluster: job 10 could never start and was withdrawn: it asks for more",
            "could never start and was withdrawn",
        ),
        ("port 8888 of this computer is in use", "of this computer is in use"),
    ],
)
def test_search_finds_what_was_on_the_screen(
    pasted: str, said: str, found: Callable[[str], list[str]], site: Site
) -> None:
    """A pasted message leads to its own place in the list of messages, whatever names and numbers stand in it."""
    page, _, place = found(pasted)[0].partition("#")
    text = (site.folder / page).read_text(encoding="utf-8").partition(f'id="{place}"')[2].partition("</dt>")[0]
    assert place and said in re.sub("<[^>]*>", "", text)
