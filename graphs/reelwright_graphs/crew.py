"""Who works on a film: planner, video model and critic, each made once, when first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from reelwright_agents.planner import Picture, Planner
from reelwright_core.records import digest
from reelwright_core.settings import Settings
from reelwright_core.story import Layout, Shot
from reelwright_core.takes import Critique
from reelwright_core.video import Frames
from reelwright_graphs.events import Event

if TYPE_CHECKING:
    from reelwright_agents.enrichment import Imagination
    from reelwright_agents.llm import Call, LanguageModel
    from reelwright_agents.llm_repair import RepairAgents
    from reelwright_agents.physics import Planned
    from reelwright_agents.safety.gate import Gate
    from reelwright_generators.folder import Fetching
    from reelwright_generators.generator import Facts, Generator
    from reelwright_metrics.learned.critic import LearnedCritic


class Critic(Protocol):
    """Watches a clip and says what it sees; the same for the same input."""

    def watch(
        self, shot: Shot, layout: Layout, frames: Frames, *, background: Frames | None = None
    ) -> Critique:
        """What `frames`, uint8 [frames, height, width, 3], show of what `shot` asks for."""
        ...


class Crew:
    """The planner, video model and critic that the settings name; films of a batch share one."""

    def __init__(self, settings: Settings, *, cache: Path | None = None):
        self.settings = settings
        self.cache = cache
        """Where answers of language models are kept; none keeps them nowhere."""
        self.commits: Mapping[str, str] = {}
        """The commit of each hub id that a run was begun with: it goes on with the same."""
        self.on_call: Callable[[Call], object] = lambda call: None
        self.on_fetch: Callable[[Fetching], object] = lambda fetching: None
        self._lock = threading.RLock()
        self._generators: dict[str, Generator] = {}
        self._shown: set[str] = set()
        self._planner: Planner | None = None
        self._gate: Gate | None = None
        self._critics: dict[str, Critic] = {}
        self._scenes: dict[str, Planned] = {}
        self._models: dict[str, LanguageModel] = {}

    def _tell(self, call: Call) -> None:
        self.on_call(call)

    def gate(self) -> Gate:
        """The safety gate, as the settings have it."""
        with self._lock:
            if self._gate is None:
                from reelwright_agents.safety.gate import Gate

                self._gate = Gate(self.settings.safety, self.settings.endpoint)
            return self._gate

    def planner(self) -> Planner:
        """The planner of `planner.brain`."""
        with self._lock:
            if self._planner is None:
                if self.settings.planner.brain == "offline":
                    from reelwright_agents.offline import OfflinePlanner

                    self._planner = OfflinePlanner()
                else:
                    from reelwright_agents.llm_planner import LlmPlanner

                    self._planner = LlmPlanner(
                        self._language_model("planner"), condense=self.settings.planner.condense
                    )
            return self._planner

    @property
    def paints(self) -> bool:
        """Whether the model's art is the layout painter's: it is shown cut-outs, not renderings."""
        return self.settings.generator.model in ("builtin", "still")

    def physics(self, shot: Shot, *, seed: int, painted: bool = False) -> Planned:
        """What is to be simulated for `shot`, by the brain of `planner.brain`; asked once.

        `painted` says that its solid things will be seen as their cut-outs.
        """
        from reelwright_agents.physics import plan_physics

        with self._lock:
            key = digest({"shot": shot.data(), "seed": seed, "painted": painted})
            if key not in self._scenes:
                if self.settings.planner.brain == "offline":
                    self._scenes[key] = plan_physics(shot, seed=seed, painted=painted)
                else:
                    from reelwright_agents.physics.llm import plan_by_model

                    self._scenes[key] = plan_by_model(
                        shot, seed=seed, settings=self.settings, cache=self.cache,
                        on_call=self._tell,
                    )  # fmt: skip
            return self._scenes[key]

    def scripter(self) -> LanguageModel:
        """The language model of `planner`, for what is no plan: scripts of simulations, repairs."""
        return self._language_model("planner")

    def _language_model(self, of: Literal["planner", "critic"]) -> LanguageModel:
        """The model of `planner` or `critic`: one each, as it learns how its endpoint answers."""
        from reelwright_agents.llm import LanguageModel

        with self._lock:
            if of not in self._models:
                told, temperature = self.settings.critic, None
                if of == "planner":
                    told, temperature = self.settings.planner, self.settings.planner.temperature
                self._models[of] = LanguageModel(
                    self.settings.endpoint, model=told.model, temperature=temperature,
                    cache=self.cache, on_call=self._tell,
                )  # fmt: skip
            return self._models[of]

    def imagination(self) -> Imagination:
        """Who says what else holds in a shot, by the brain of `planner.brain`."""
        from reelwright_agents.imagination import LlmImagination, RuleImagination

        if self.settings.planner.brain == "offline":
            return RuleImagination()
        return LlmImagination(self.scripter())

    def planner_identity(self) -> object:
        """What a plan depends on besides its inputs."""
        return self.settings.planner.model_dump(mode="json")

    def generator(self, model: str | None = None) -> Generator:
        """The video model called `model`, or that of `generator.model`."""
        from reelwright_generators.generator import load

        with self._lock:
            name = model or self.settings.generator.model
            if name not in self._generators:
                told = self.settings.generator.model_copy(update={"model": name})
                if self.commits:
                    from reelwright_generators.hub import pinned

                    told = pinned(told, self.commits)
                self._generators[name] = load(told, on_fetch=lambda each: self.on_fetch(each))
            return self._generators[name]

    def introductions(self) -> list[Event]:
        """What is to be shown once of each video model in use: its name, commit and licence."""
        with self._lock:
            new = [name for name in self._generators if name not in self._shown]
            self._shown.update(new)
            return [_introduction(self._generators[name].facts()) for name in new]

    def critic(self, brain: str | None = None) -> Critic:
        """The critic of `brain`, or that of `critic.brain`."""
        with self._lock:
            name = brain or self.settings.critic.brain
            if name not in self._critics:
                if name == "offline":
                    from reelwright_metrics.measure import MeasuringCritic

                    self._critics[name] = MeasuringCritic(learned=self._learned())
                elif name in ("logic", "logic-openai"):
                    self._critics[name] = self._logic_critic(seeing=name == "logic-openai")
                elif name in ("captions", "captions-openai"):
                    self._critics[name] = self._caption_critic(seeing=name == "captions-openai")
                else:
                    from reelwright_agents.vision_critic import VisionCritic

                    self._critics[name] = VisionCritic(
                        self._language_model("critic"), frames=self.settings.critic.frames
                    )
            return self._critics[name]

    def _logic_critic(self, *, seeing: bool) -> Critic:
        """The critic that decides a formula, on pixels or on what a vision model sees."""
        from reelwright_metrics.logic.critic import LogicCritic

        if not seeing:
            return LogicCritic()
        from reelwright_agents.vision_eyes import VisionEyes

        model = self._language_model("critic")
        return LogicCritic(eyes=VisionEyes(model, most=self.settings.critic.frames))

    def _caption_critic(self, *, seeing: bool) -> Critic:
        """The critic that compares words, of what was measured or of what a vision model sees."""
        from reelwright_agents.caption_critic import SHOWN, CaptionCritic, ModelDescriber

        if not seeing:
            return CaptionCritic()
        frames = max(SHOWN, self.settings.critic.frames)
        return CaptionCritic(ModelDescriber(self._language_model("critic"), frames=frames))

    def repairers(self) -> RepairAgents:
        """The agents that verify, route and mend by the language model of `planner`."""
        from reelwright_agents.llm_repair import RepairAgents

        return RepairAgents(self.scripter())

    def critic_identity(self) -> object:
        """What a critique depends on besides its inputs."""
        from reelwright_metrics.learned import STEERS, weights_digest

        told = self.settings.critic.model_dump(mode="json", exclude={"clip"})
        return told | {"weights": weights_digest(STEERS) if self._learns() else None}

    def _learns(self) -> bool:
        asked = self.settings.critic.learned
        return self.settings.generator.model == "builtin" if asked is None else asked

    def _learned(self) -> LearnedCritic | None:
        if not self._learns():
            return None
        from reelwright_metrics.learned import STEERS
        from reelwright_metrics.learned.critic import LearnedCritic

        return LearnedCritic.load(STEERS)

    def picture(self) -> Picture:
        """The picture that shots get: the settings', else what the video model was made for.

        Without `film.frames`, shots that need more time are longer, by whole latents, if the
        model can go on from its own frames (or films sketches, which may have any length).
        """
        from reelwright_agents.pacing import LONGEST
        from reelwright_generators.long import way_of

        facts, film = self.generator().facts(), self.settings.film
        fps = film.fps or facts.fps
        longer = film.frames is None and (way_of(facts) is not None or facts.family == "still")
        return Picture(
            size=film.size or facts.size,
            fps=fps,
            frames=film.frames or facts.frames,
            step=facts.frames_per_latent if longer else None,
            most=int(LONGEST * fps) if longer else None,
        )

    def identity(self) -> str:
        """A digest of everything here that a film depends on."""
        data = self.settings.data()
        return digest(
            {name: data[name] for name in ("planner", "critic", "generator", "physics", "takes")}
        )


def _introduction(facts: Facts) -> Event:
    at = f" at {facts.revision[:12]}" if facts.revision else ""
    return Event(
        kind="model",
        text=f"{facts.name}{at}, licence: {facts.licence}",
        details={"sha256": facts.sha256, "revision": facts.revision, "licence": facts.licence},
    )
