"""Graphs as pictures in text."""

from __future__ import annotations

from reelwright_graphs.graph_file import END, START, GraphFile


def mermaid(graph: GraphFile) -> str:
    """`graph` and its subgraphs as a Mermaid flowchart."""
    return "\n".join(["flowchart TD", *_lines(graph, "")]) + "\n"


def _lines(graph: GraphFile, before: str) -> list[str]:
    indent = "        " if before else "    "
    # Mermaid keeps some words, such as `end`, for itself: every id gets a letter before it.
    before = before or "n_"
    lines = [f"{indent}{before}{START}([start])", f"{indent}{before}{END}([end])"]
    for node in graph.nodes.values():
        if node.each is None:
            kind = "" if node.use == node.name else f"<br/><small>{node.use}</small>"
            lines.append(f'{indent}{before}{node.name}["{node.name}{kind}"]')
        else:
            lines.append(f'{indent}subgraph {before}{node.name}["{node.name}: for each shot"]')
            lines += _lines(node.each, f"{before}{node.name}_")
            lines.append(f"{indent}end")
    for edge in graph.edges:
        # Mermaid has no quotes within quotes but by their name.
        when = (edge.when or "").replace('"', "#quot;")
        arrow = f'-->|"{when}"|' if when else "-->"
        lines.append(f"{indent}{before}{edge.source} {arrow} {before}{edge.target}")
    return lines
