"""Graph files: read, checked with line numbers, and nothing in them is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from reelwright_core.errors import GraphError, SettingsError
from reelwright_core.settings import check_names
from reelwright_core.yaml_file import YamlFile, read_yaml
from reelwright_graphs.conditions import fault
from reelwright_graphs.nodes import Level, Node, load_node, nearest

START, END = "start", "end"
GIVEN: Mapping[Level, Sequence[str]] = {
    "story": ("script",),
    "shot": ("shot", "take", "prompt", "takes", "identities", "before", "style"),
}
"""What a graph of each level is given before its first node."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_EDGE = re.compile(r"\s*(\S+)\s*->\s*(\S+)\s*")
_KEYS = ("schema", "name", "about", "level", "settings", "nodes", "edges")
_NODE_KEYS = ("use", "each", "options", "at_most")


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeLine:
    """A node as its graph file names it."""

    name: str
    kind: type[Node] | None
    """None for a node that runs another graph for each shot."""
    use: str
    options: Mapping[str, Any]
    each: GraphFile | None
    at_most: int | None
    """How often it may run in one pass through the graph."""
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """From one node to the next; `when` says on which condition."""

    source: str
    target: str
    when: str | None
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphFile:
    """A checked graph."""

    name: str
    about: str
    level: Level
    settings: Mapping[str, Any]
    nodes: Mapping[str, NodeLine]
    edges: Sequence[Edge]
    text: str
    file: str

    @property
    def gist(self) -> str:
        """What it does: the first sentence of `about`, or the second after a paper's title."""
        first, *rest = _sentences(self.about)
        paper = re.search(r"\(arXiv [^)]*\)\.?$", first)
        if paper and rest:
            return f"{rest[0].rstrip('.')} {paper[0].rstrip('.')}"
        return first.rstrip(".")

    @property
    def needs(self) -> str:
        """What `about` says that it needs, up to a colon or semicolon; empty if nothing says so."""
        said = [one for one in _sentences(self.about) if re.match(r"(It )?[Nn]eeds ", one)]
        first = re.split("[;:]", said[0])[0] if said else ""
        return re.sub(r"^(It )?[Nn]eeds ", "needs ", first).rstrip(".")

    def leaving(self, source: str) -> list[Edge]:
        """The edges that leave `source`, in the file's order."""
        return [edge for edge in self.edges if edge.source == source]

    def texts(self) -> dict[str, str]:
        """This file's and its subgraphs' texts, by a file name each."""
        texts = {f"{Path(self.file).stem}.yaml": self.text}
        for node in self.nodes.values():
            if node.each is not None:
                texts |= node.each.texts()
        return texts


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.])\s+(?=[A-Z])", " ".join(text.split()))


def library() -> list[str]:
    """The names of the graphs that come with Reelwright."""
    folder = files("reelwright_graphs") / "library"
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def load_graph(name: str | Path, *, beside: Path | None = None) -> GraphFile:
    """The graph called `name`, or in the file `name`; `GraphError` says file, line and remedy.

    A file names its subgraphs by a path beside it or by a library name.
    """
    path = Path(name)
    if beside is not None and not path.is_absolute():
        for candidate in (beside / path, beside / f"{path}.yaml", beside / f"{path.stem}.yaml"):
            if candidate.is_file():
                return _checked(read_yaml(candidate, GraphError), beside=beside)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise GraphError(f"there is no graph file {path}")
        return _checked(read_yaml(path, GraphError), beside=path.parent)
    if str(name) not in library():
        raise GraphError(f"there is no graph `{name}`{nearest(str(name), library())}")
    shipped = files("reelwright_graphs") / "library" / f"{name}.yaml"
    return _checked(read_yaml(Path(str(shipped)), GraphError), beside=None)


def _checked(yaml: YamlFile, *, beside: Path | None) -> GraphFile:
    top = yaml.mapping(known=_KEYS, required=("name", "level", "nodes", "edges"))
    if top.get("schema", "Graph.1") != "Graph.1":
        raise yaml.error(f"this version reads `schema: Graph.1`, got {top['schema']!r}", "schema")
    if top["level"] not in ("story", "shot"):
        raise yaml.error(f"`level` is story or shot, got {top['level']!r}", "level")
    level: Level = top["level"]
    settings = yaml.mapping("settings") if top.get("settings") else {}
    try:
        check_names(settings)
    except SettingsError as error:
        raise yaml.error(str(error), "settings") from None
    nodes = {name: _node(yaml, name, level=level, beside=beside) for name in yaml.mapping("nodes")}
    if not nodes:
        raise yaml.error("a graph has at least one node", "nodes")
    edges = list(_edges(yaml, nodes))
    graph = GraphFile(
        name=str(top["name"]),
        about=str(top.get("about", "")).strip(),
        level=level,
        settings=settings,
        nodes=nodes,
        edges=edges,
        text=yaml.text,
        file=yaml.name,
    )
    _check_ways(yaml, graph)
    _check_loops(yaml, graph)
    _check_values(yaml, graph)
    return graph


def _node(yaml: YamlFile, name: str, *, level: Level, beside: Path | None) -> NodeLine:
    line = yaml.line("nodes", name)
    if not _NAME.fullmatch(name) or name in (START, END):
        raise yaml.error(
            f"a node's name is lower-case letters, digits, - and _, not start or end; got {name!r}",
            "nodes", name,
        )  # fmt: skip
    given = yaml.mapping("nodes", name, known=_NODE_KEYS)
    if ("use" in given) == ("each" in given):
        raise yaml.error(
            f"the node `{name}` needs either `use: NODE_KIND` or `each: GRAPH`", "nodes", name
        )
    at_most = given.get("at_most")
    if at_most is not None and (type(at_most) is not int or not 1 <= at_most <= 1000):
        raise yaml.error(
            f"`at_most` is a whole number from 1 to 1000, got {at_most!r}",
            "nodes", name, "at_most",
        )  # fmt: skip
    if "each" in given:
        inner = _each(yaml, name, str(given["each"]), level=level, beside=beside)
        return NodeLine(
            name=name, kind=None, use="", options={}, each=inner, at_most=at_most, line=line
        )
    use = str(given["use"])
    kind = load_node(use, file=yaml.name, line=yaml.line("nodes", name, "use"))
    if kind.level != level:
        raise yaml.error(
            f"`{use}` is a node of a {kind.level} graph, this graph's level is {level}",
            "nodes", name, "use",
        )  # fmt: skip
    options = yaml.mapping("nodes", name, "options") if given.get("options") else {}
    _check_options(yaml, name, kind, options)
    return NodeLine(
        name=name, kind=kind, use=use, options=options, each=None, at_most=at_most, line=line
    )


def _each(yaml: YamlFile, name: str, graph: str, *, level: Level, beside: Path | None) -> GraphFile:
    if level != "story":
        raise yaml.error(
            "only a story graph runs another graph for each shot", "nodes", name, "each"
        )
    if "options" in yaml.mapping("nodes", name):
        raise yaml.error(
            f"the node `{name}` runs another graph; set options in that graph's file",
            "nodes", name, "options",
        )  # fmt: skip
    try:
        inner = load_graph(graph, beside=beside)
    except GraphError as error:
        if error.file is not None:
            raise
        raise yaml.error(error.problem, "nodes", name, "each") from None
    if inner.level != "shot":
        raise yaml.error(
            f"`{graph}` is a {inner.level} graph, not a shot graph", "nodes", name, "each"
        )
    return inner


def _check_options(yaml: YamlFile, name: str, kind: type[Node], options: Mapping[str, Any]) -> None:
    for option in options:
        if option not in kind.Options.model_fields:
            hint = nearest(option, kind.Options.model_fields) or "; it has none"
            raise yaml.error(
                f"`{option}` is no option of the node `{name}`{hint}",
                "nodes", name, "options", option,
            )  # fmt: skip
    try:
        kind.Options.model_validate(options)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        where = [str(part) for part in wrong["loc"][:1]]
        raise yaml.error(
            f"the option `{'.'.join(str(part) for part in wrong['loc'])}` of the node `{name}` "
            f"does not fit: {wrong['msg']}, got {wrong['input']!r}",
            "nodes", name, "options", *where,
        ) from None  # fmt: skip


def _edges(yaml: YamlFile, nodes: Mapping[str, NodeLine]) -> Iterator[Edge]:
    scalars = _scalars(nodes)
    for index, entry in enumerate(yaml.sequence("edges")):
        text, when = entry, None
        if isinstance(entry, Mapping) and len(cast(Mapping[str, Any], entry)) == 1:
            text, when = next(iter(cast(Mapping[str, Any], entry).items()))
        found = _EDGE.fullmatch(text) if isinstance(text, str) else None
        if not found:
            raise yaml.error(
                f"an edge is written `from -> to` or `from -> to: condition`, got {text!r}",
                "edges", index,
            )  # fmt: skip
        source, target = found.groups()
        for end, names in ((source, [START, *nodes]), (target, [*nodes, END])):
            if end not in names:
                raise yaml.error(
                    f"the edge `{text}` names no node `{end}`{nearest(end, names)}", "edges", index
                )
        if when is not None:
            when = str(when)
            if wrong := fault(when, scalars):
                problem, unknown = wrong
                hint = nearest(unknown, sorted(scalars)) if unknown else ""
                raise yaml.error(f"{problem}{hint}", "edges", index)
        yield Edge(source=source, target=target, when=when, line=yaml.line("edges", index))


def _scalars(nodes: Mapping[str, NodeLine]) -> set[str]:
    """The values that a condition may name: numbers, words and truth values."""
    names = {"take"}
    for node in nodes.values():
        if node.kind is not None:
            for name, field in node.kind.Outputs.model_fields.items():
                if field.annotation in (bool, int, float, str):
                    names.add(name)
    return names


def _check_ways(yaml: YamlFile, graph: GraphFile) -> None:
    reached = _reachable(START, _targets(graph))
    for name, node in graph.nodes.items():
        if name not in reached:
            raise GraphError(
                f"no way leads from start to the node `{name}`", file=yaml.name, line=node.line
            )
        if not graph.leaving(name):
            raise GraphError(
                f"no edge leaves the node `{name}`; add `- {name} -> end`",
                file=yaml.name, line=node.line,
            )  # fmt: skip
        if END not in _reachable(name, _targets(graph)):
            raise GraphError(
                f"no way leads from the node `{name}` to end", file=yaml.name, line=node.line
            )
        leaving = graph.leaving(name)
        plain = [edge for edge in leaving if edge.when is None]
        if len(plain) < len(leaving) and len(plain) != 1:
            raise GraphError(
                f"of the edges that leave `{name}`, exactly one must have no condition "
                f"(it is taken when no other holds), got {len(plain)}",
                file=yaml.name, line=leaving[0].line,
            )  # fmt: skip
    if not graph.leaving(START):
        raise yaml.error("no edge leaves start; add `- start -> NODE`", "edges")


def _targets(graph: GraphFile) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for edge in graph.edges:
        targets.setdefault(edge.source, []).append(edge.target)
    return targets


def _reachable(start: str, targets: Mapping[str, Sequence[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for target in targets.get(todo.pop(), ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def _check_loops(yaml: YamlFile, graph: GraphFile) -> None:
    """Every loop passes a node that says how often it may run."""
    free = {
        source: [t for t in targets if t in graph.nodes and graph.nodes[t].at_most is None]
        for source, targets in _targets(graph).items()
        if source in graph.nodes and graph.nodes[source].at_most is None
    }
    for name in graph.nodes:
        if name in _reachable(name, free):
            raise GraphError(
                f"the loop through `{name}` has no end; give one of its nodes `at_most: N`",
                file=yaml.name, line=graph.nodes[name].line,
            )  # fmt: skip


def _check_values(yaml: YamlFile, graph: GraphFile) -> None:
    """Every value that a node needs is given before it on every way."""
    gives = {
        name: set(node.kind.Outputs.model_fields) if node.kind else {"results"}
        for name, node in graph.nodes.items()
    }
    everything = set(GIVEN[graph.level]).union(*gives.values())
    before: dict[str, set[str]] = {name: set(everything) for name in graph.nodes}
    changed = True
    while changed:
        changed = False
        for name in graph.nodes:
            ways = [
                set(GIVEN[graph.level]) if e.source == START else before[e.source] | gives[e.source]
                for e in graph.edges
                if e.target == name
            ]
            sure = set.intersection(*ways)
            if sure != before[name]:
                before[name], changed = sure, True
    for name, node in graph.nodes.items():
        needed = _needs(node)
        for value in needed:
            if value not in before[name]:
                givers = [other for other, given in gives.items() if value in given]
                hint = f"; `{givers[0]}` gives it" if givers else ""
                raise GraphError(
                    f"the node `{name}` needs `{value}`, which no node before it gives{hint}",
                    file=yaml.name, line=node.line,
                )  # fmt: skip


def _needs(node: NodeLine) -> list[str]:
    if node.kind is None:
        return ["storyboard"]
    return [name for name, field in node.kind.Inputs.model_fields.items() if field.is_required()]
