"""The node `prompt`: the shot's prompt in the words its video model likes, nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from reelwright_core.records import Record
from reelwright_core.story import Shot
from reelwright_graphs.events import Event
from reelwright_graphs.shot_node import ShotNode, told

if TYPE_CHECKING:
    from reelwright_agents.prompt_writer import Reader


class PromptNode(ShotNode):
    """Writes the prompt anew for the video model; what it wrote before it leaves as it is."""

    resource = "call"

    class Options(Record):
        by: Literal["planner", "offline"] = "planner"
        """`planner` is whoever plans, by `planner.brain`; `offline` are always the rules."""

    class Inputs(Record):
        shot: Shot
        take: int
        prompt: str
        style: str = ""
        writing: dict[str, Any] = {}

    class Outputs(Record):
        prompt: str
        writing: dict[str, Any]
        """The short prompt and the expanded one, who wrote it, its tokens, what was kept and cut;
        it stands in the take's provenance."""

    def depends(self, inputs: Inputs) -> object:
        facts = self.context.crew.generator().facts()
        return {
            "shot": told(inputs.shot, "left_out", "seed", "noise_level", "layout"),
            "prompt": inputs.prompt,
            "style": inputs.style,
            "writing": inputs.writing,
            "model": [facts.family, facts.own_words, facts.prompt_tokens, facts.sha256],
            "planner": self.context.crew.planner_identity(),
        }

    def run(self, inputs: Inputs) -> Outputs:
        from reelwright_agents.prompt_writer import write

        if inputs.prompt == inputs.writing.get("prompt"):
            return self.Outputs(prompt=inputs.prompt, writing=inputs.writing)
        crew = self.context.crew
        offline = self.options.by == "offline" or crew.settings.planner.brain == "offline"
        written = write(
            inputs.shot,
            inputs.prompt,
            reader=self._reader(),
            style=inputs.style,
            model=None if offline else crew.scripter(),
        )
        for note in written.notes:
            self.context.say(
                Event(kind="warning", text=note, shot=inputs.shot.id, take=inputs.take)
            )
        return self.Outputs(prompt=written.prompt, writing=written.data())

    def _reader(self) -> Reader:
        from reelwright_agents.prompt_writer import Reader
        from reelwright_generators.prompt_tokens import CountsTokens, estimate

        generator = self.context.crew.generator()
        facts = generator.facts()
        counts = isinstance(generator, CountsTokens) and generator.count_tokens("a") is not None

        def count(prompt: str) -> int:
            exact = generator.count_tokens(prompt) if isinstance(generator, CountsTokens) else None
            return estimate(prompt) if exact is None else exact

        return Reader(
            family=facts.family,
            own_words=facts.own_words,
            tokens=facts.prompt_tokens,
            count=count,
            counted_by="the model's tokenizer" if counts else "an estimate",
        )
