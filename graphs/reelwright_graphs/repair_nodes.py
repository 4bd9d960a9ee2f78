"""The nodes of a repair, one by one: verify, route, correct, structure.

After a take, `verify` says what is wrong and whether trying on is worth it. `route` names the
specialist who is asked next, `correct` is one such specialist, and when nobody is left to ask in
this round, `structure` makes one change of what they offered. With a language model for a planner
(`planner.brain`), these nodes ask it; what it answers counts only if it fits what exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field

from reelwright_core.errors import EndpointError
from reelwright_core.records import Record
from reelwright_core.settings import Brain
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import NoisePlan, Repair, Specialist, Take
from reelwright_graphs.events import Event
from reelwright_graphs.shot_node import ShotNode
from reelwright_graphs.take_nodes import Closing, ClosingNode, means

if TYPE_CHECKING:
    from reelwright_agents.llm_repair import RepairAgents
    from reelwright_agents.routing import Case

_Found = TypeVar("_Found")


class _Round(Record):
    """What a round of repair goes by."""

    shot: Shot
    take: int
    takes: list[Take]
    verified: list[str] = []
    tried: list[Specialist] = []
    corrections: list[Repair] = []
    advice: str = ""


class _RepairNode(ShotNode):
    """A node of the repair: rules decide, or a language model where there is one."""

    resource = "call"

    class Options(Record):
        brain: Brain | None = None
        """Who decides: `offline` rules or a language model (`openai`); none takes the setting
        `planner.brain`."""

    def depends(self, inputs: Any) -> None:
        return None

    def case(self, inputs: Any) -> Case:
        """The shot and its takes."""
        from reelwright_agents.routing import Case

        takes: list[Take] = inputs.takes
        return Case(
            shot=inputs.shot,
            takes=takes,
            default_level=takes[0].noise.level,
            verified=inputs.verified,
        )

    def decided(
        self, inputs: Any, rules: Callable[[], _Found], asked: Callable[[RepairAgents], _Found]
    ) -> _Found:
        """What the model says, else the rules; where the model gives no answer, that is told."""
        brain = self.options.brain or self.context.settings.planner.brain
        if brain == "offline":
            return rules()
        try:
            return asked(self.context.crew.repairers())
        except EndpointError as error:
            self.context.say(
                Event(
                    kind="warning", text=f"{error}; the rules decide instead",
                    shot=inputs.shot.id, take=inputs.take,
                )
            )  # fmt: skip
            return rules()


class VerifyNode(_RepairNode, ClosingNode):
    """Ends a take: says what is wrong with it, and whether another one is worth it."""

    class Options(_RepairNode.Options):
        takes: int | None = Field(default=None, ge=1, le=20)
        """How many takes at most; none takes the setting `takes.max`."""
        threshold: float | None = Field(default=None, ge=0, le=1)
        """The score to reach; none takes the setting `critic.threshold`."""
        patience: int = Field(default=2, ge=1, le=20)
        """So many repairs in a row without a gain end the search."""

    class Inputs(Closing):
        pass

    class Outputs(Record):
        takes: list[Take]
        again: bool
        verified: list[str]
        """What is wrong, the most important first."""
        tried: list[Specialist] = []
        corrections: list[Repair] = []

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.routing import verify

        settings, options = self.context.settings, self.options
        takes = self.closed(inputs)
        found = verify(
            inputs.shot,
            takes,
            threshold=settings.critic.threshold if options.threshold is None else options.threshold,
            max_takes=options.takes or settings.takes.max,
            patience=options.patience,
        )
        verified = found.faults
        if found.again:
            asking = _Round(shot=inputs.shot, take=inputs.take, takes=takes, verified=verified)
            verified = self.decided(
                asking, lambda: found.faults, lambda agents: agents.verify(self.case(asking))
            )
        return self.Outputs(takes=takes, again=found.again, verified=verified)


class RouteNode(_RepairNode):
    """Names the specialist who is asked next in this round; `done` when there is none."""

    class Options(_RepairNode.Options):
        specialists: list[Specialist] = Field(
            default=["simulation", "layout", "span", "noise", "prompt", "seed"], min_length=1
        )
        """Who may be asked; each has a `correct` node in the graph, behind `route == "NAME"`."""
        together: bool = False
        """Whether a layout that is to show better what is not seen is filmed from less noise in
        the same round; else one specialist at a time, as in GenMAC, but for noise and prompt."""

    class Inputs(_Round):
        pass

    class Outputs(Record):
        route: str
        advice: str = ""
        """What a language model tells the specialist to do."""

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.routing import route

        case = self.case(inputs)
        left: list[Specialist] = [s for s in self.options.specialists if s not in inputs.tried]

        def ruled() -> RouteNode.Outputs:
            named = route(
                case, specialists=left, corrections=inputs.corrections,
                together=self.options.together,
            )  # fmt: skip
            return self.Outputs(route=named or "done")

        def asked(agents: RepairAgents) -> RouteNode.Outputs:
            if not left or any(each.specialist not in ("noise", "prompt")
                               for each in inputs.corrections):  # fmt: skip
                return self.Outputs(route="done")
            named, advice = agents.route(case, specialists=left, corrections=inputs.corrections)
            return self.Outputs(route=named or "done", advice=advice)

        return self.decided(inputs, ruled, asked)


class CorrectNode(_RepairNode):
    """One specialist: offers a change for the next take, or nothing."""

    class Options(_RepairNode.Options):
        specialist: Specialist
        emphasis: bool = False
        """Of `noise`: less of it for the failing things alone, each a region (GenMAC)."""
        style: Literal["plain", "physical"] = "plain"
        """Of `prompt`: `physical` says what the rules make visible, and never names one (PhyT2V).
        """

    class Inputs(_Round):
        pass

    class Outputs(Record):
        tried: list[Specialist]
        corrections: list[Repair]

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.specialists import correct

        options, case = self.options, self.case(inputs)
        by = means(
            self.context, inputs.shot, emphasis=options.emphasis,
            physical=options.style == "physical",
        )  # fmt: skip
        if options.specialist == "span" and not by.keeps_frames and inputs.take == 1:
            model = self.context.crew.generator().facts().name
            self.context.say(
                Event(
                    kind="warning", shot=inputs.shot.id, take=inputs.take,
                    text=f"no span is filmed anew: {model} cannot keep the other frames",
                )
            )  # fmt: skip
        made = self.decided(
            inputs,
            lambda: correct(options.specialist, case, by),
            lambda agents: agents.correct(options.specialist, case, by, advice=inputs.advice),
        )
        offered = [] if made is None else [made]
        return self.Outputs(
            tried=[*inputs.tried, options.specialist],
            corrections=[*inputs.corrections, *offered],
        )


class StructureNode(_RepairNode):
    """Makes one change of what was offered, checked against what exists, and begins a new take."""

    resource = "core"

    class Inputs(_Round):
        prompt: str
        layout: Layout
        noise: NoisePlan
        repair: Repair | None = None

    class Outputs(Record):
        shot: Shot
        again: bool
        resimulate: bool
        """Whether the change begins with the simulation."""
        take: int
        prompt: str
        layout: Layout
        repair: Repair | None

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.specialists import structured

        repair = structured(inputs.corrections, self.case(inputs))
        if repair is None:
            return self.Outputs(
                shot=inputs.shot, again=False, resimulate=False, take=inputs.take,
                prompt=inputs.prompt, layout=inputs.layout, repair=inputs.repair,
            )  # fmt: skip
        self.context.say(
            Event(kind="repaired", text=repair.why, shot=inputs.shot.id, take=inputs.take + 1)
        )
        shot = inputs.shot
        if repair.physics is not None:
            shot = shot.model_copy(update={"physics": repair.physics})
        return self.Outputs(
            shot=shot,
            again=True,
            resimulate=repair.physics is not None,
            take=inputs.take + 1,
            prompt=repair.prompt or inputs.prompt,
            layout=repair.layout or inputs.layout,
            repair=repair,
        )
