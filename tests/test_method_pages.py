"""Every method's page shows its graph as it is, and a picture of a film made by it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reelwright_graphs.draw import mermaid
from reelwright_graphs.graph_file import library, load_graph

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(path for path in (DOCS / "methods").glob("*.md") if path.stem != "README")
PICTURE_AT_MOST = 120 * 1024


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_methods_page_draws_its_graph_and_shows_a_film(page: Path) -> None:
    text = page.read_text("utf-8")
    drawn = re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)
    graph = mermaid(load_graph(page.stem))
    assert graph in drawn, f"`reelwright graph draw {page.stem}` draws something else"
    pictures = [DOCS / "methods" / path for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)]
    assert pictures
    for picture in pictures:
        assert 1000 < picture.stat().st_size <= PICTURE_AT_MOST


def test_every_graph_of_the_library_has_a_page_and_is_in_their_list() -> None:
    stories = [name for name in library() if load_graph(name).level == "story"]
    listed = (DOCS / "methods" / "README.md").read_text("utf-8")
    assert [page.stem for page in PAGES] == sorted(stories)
    for name in stories:
        assert f"[{name}]({name}.md)" in listed
