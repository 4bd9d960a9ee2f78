"""The nodes that end a take: repair, choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from reelwright_core.errors import RefusedError, ShotError
from reelwright_core.files import write_json, write_text
from reelwright_core.physics import PhysicsScene
from reelwright_core.records import Record
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import (
    Clip,
    Critique,
    NoisePlan,
    Repair,
    ShotResult,
    Sketch,
    Specialist,
    Take,
)
from reelwright_graphs.events import Event
from reelwright_graphs.nodes import Context
from reelwright_graphs.refusals import is_refused, refusals
from reelwright_graphs.shot_node import ShotNode

if TYPE_CHECKING:
    from reelwright_agents.specialists import Means


class Closing(Record):
    """What a take is made of, and the takes before it."""

    shot: Shot
    take: int
    prompt: str
    takes: list[Take]
    layout: Layout
    noise: NoisePlan
    clip: Clip
    provenance: dict[str, Any] = {}
    sketch: Sketch | None = None
    critique: Critique | None = None
    repair: Repair | None = None
    simulation_notes: list[str] = []
    writing: dict[str, Any] = {}
    """How the prompt was written, as the node `prompt` tells it."""


class ClosingNode(ShotNode):
    """A node that ends a take: it joins the others, and its folder is made whole."""

    def depends(self, inputs: Any) -> None:
        return None

    def closed(self, inputs: Closing) -> list[Take]:
        """All takes, this one included."""
        if any(take.number == inputs.take for take in inputs.takes):
            return inputs.takes
        take = Take(
            shot=inputs.shot.id,
            number=inputs.take,
            prompt=inputs.prompt,
            layout=inputs.layout,
            noise=inputs.noise,
            sketch=inputs.sketch,
            clip=inputs.clip,
            critique=inputs.critique,
            repair=inputs.repair,
            provenance=_with_notes(inputs.provenance, inputs.simulation_notes)
            | self._safety(inputs),
        )
        if inputs.writing:
            take = take.model_copy(
                update={"provenance": {**take.provenance, "writing": inputs.writing}}
            )
        folder = self.context.run / self.path(inputs, "")
        write_text(folder / "prompt.txt", take.prompt + "\n")
        write_json(folder / "scene.json", inputs.shot.scene_graph.data())
        write_json(folder / "layout.json", take.layout.data())
        write_json(folder / "noise.json", take.noise.data())
        write_json(folder / "provenance.json", take.provenance)
        if take.critique is not None:
            write_json(folder / "critique.json", take.critique.data())
        return [*inputs.takes, take]

    def _safety(self, inputs: Closing) -> dict[str, Any]:
        """How the safety gate stood, and why it refuses the take, if it does."""
        clip = inputs.clip.video
        refused = refusals(self.context, clip, shot=inputs.shot.id, take=inputs.take)
        told: dict[str, Any] = {"safety": self.context.crew.gate().told()}
        if refused:
            why = [f"refused, it cannot be in the film: {each}" for each in refused]
            warnings = [*inputs.provenance.get("warnings", []), *inputs.simulation_notes, *why]
            told |= {"refused": refused, "warnings": warnings}
        return told


def _with_notes(provenance: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """The provenance with what a simulation warned of among its warnings."""
    if not notes:
        return provenance
    return {**provenance, "warnings": [*provenance.get("warnings", []), *notes]}


class RepairNode(ClosingNode):
    """Decides what the next take does otherwise, or that there is none: by rules, in one step.

    The nodes `verify`, `route`, `correct` and `structure` do the same one by one.
    """

    resource = "call"

    class Options(Record):
        takes: int | None = Field(default=None, ge=1, le=20)
        """How many takes at most; none takes the setting `takes.max`."""
        threshold: float | None = Field(default=None, ge=0, le=1)
        """The score to reach; none takes the setting `critic.threshold`."""
        specialists: list[Specialist] | None = None
        """Who may mend; none is all who change no simulation, which lies before this node."""

    class Inputs(Closing):
        pass

    class Outputs(Record):
        takes: list[Take]
        again: bool
        take: int
        prompt: str
        layout: Layout
        repair: Repair | None

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.refiner import refine
        from reelwright_agents.routing import SPECIALISTS

        settings, options = self.context.settings, self.options
        takes = self.closed(inputs)
        repair = refine(
            inputs.shot,
            takes,
            threshold=settings.critic.threshold if options.threshold is None else options.threshold,
            max_takes=options.takes or settings.takes.max,
            default_level=takes[0].noise.level,
            means=means(self.context, inputs.shot),
            specialists=options.specialists or [s for s in SPECIALISTS if s != "simulation"],
        )
        if repair is not None and repair.prompt and not self._passes(inputs, repair.prompt):
            repair = repair.model_copy(update={"prompt": None})
        if repair is None:
            return self.Outputs(
                takes=takes, again=False, take=inputs.take, prompt=inputs.prompt,
                layout=inputs.layout, repair=inputs.repair,
            )  # fmt: skip
        self.context.say(
            Event(kind="repaired", text=repair.why, shot=inputs.shot.id, take=inputs.take + 1)
        )
        return self.Outputs(
            takes=takes,
            again=True,
            take=inputs.take + 1,
            prompt=repair.prompt or inputs.prompt,
            layout=repair.layout or inputs.layout,
            repair=repair,
        )

    def _passes(self, inputs: Closing, prompt: str) -> bool:
        """Whether the safety gate lets a new prompt through; told where it does not."""
        try:
            self.context.crew.gate().prompt(inputs.shot.id, prompt)
        except RefusedError as error:
            text = f"the old prompt stays: {error}"
            self.context.say(
                Event(kind="refused", text=text, shot=inputs.shot.id, take=inputs.take)
            )
            return False
        return True


def means(context: Context, shot: Shot, **more: Any) -> Means:
    """By what specialists mend a shot of this run."""
    from reelwright_agents.specialists import Means

    crew = context.crew
    facts = crew.generator().facts()

    def make_layout(asked: Shot, wrong: Sequence[str], earlier: Layout) -> Layout:
        return crew.planner().layout(asked, faults=wrong, earlier=earlier)

    def make_scene(asked: Shot, seed: int) -> PhysicsScene | None:
        plain = asked.model_copy(update={"physics": None})
        return crew.physics(plain, seed=seed, painted=crew.paints and asked.view is None).scene

    return Means(
        make_layout=make_layout,
        make_scene=make_scene,
        regions="regions" in facts.can,
        keeps_frames={"sketch", "regions"} <= set(facts.can),
        frames_per_latent=facts.frames_per_latent,
        frames_at_once=facts.frames,
        **more,
    )


class ChooseNode(ClosingNode):
    """Chooses the best take."""

    class Inputs(Closing):
        pass

    class Outputs(Record):
        takes: list[Take]
        result: ShotResult

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.routing import choose

        takes = self.closed(inputs)
        usable = [take for take in takes if not is_refused(take)]
        if not usable:
            refused = "; ".join(takes[-1].provenance["refused"])
            raise ShotError(inputs.shot.id, f"the safety gate refuses all its takes: {refused}")
        number, why = choose(usable)
        result = ShotResult(shot=inputs.shot.id, takes=takes, chosen=number, why=why)
        return self.Outputs(takes=takes, result=result)
