"""The agents of the repair, each a language model with a question and a form of its own.

What they answer is checked against what exists before it counts; who gives no fitting answer
within the endpoint's repairs raises `EndpointError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from reelwright_agents.llm import LanguageModel
from reelwright_agents.physical_prompt import WORDS, unfit_prompt
from reelwright_agents.routing import Case
from reelwright_agents.specialists import Means, correct, fits, unfit, whole_latents
from reelwright_core.records import Record
from reelwright_core.story import FrameSpan
from reelwright_core.takes import Region, Repair, Specialist

DOES: dict[Specialist, str] = {
    "layout": "draws anew where everything is in each frame; the strongest, best asked first",
    "prompt": "puts the prompt into other words",
    "noise": "lets the clip keep more of the sketch, everywhere or for single things",
    "simulation": "simulates the movement anew",
    "span": "films a few failing frames anew and keeps all others",
    "seed": "changes nothing but the dice",
}
"""What each specialist can do, as the router is told."""
NOBODY = "nobody"
LEAST = 0.3
"""The lowest noise level that a model may ask for."""


class VerifiedForm(Record):
    """What is wrong with a take."""

    faults: list[str] = Field(
        min_length=1, max_length=8, description="the most important first, one sentence each"
    )


class RouteForm(Record):
    """Who is to mend it."""

    specialist: str
    advice: str = Field(default="", max_length=600, description="what the specialist is to do")


class PromptForm(Record):
    """Another prompt."""

    prompt: str = Field(min_length=1, max_length=2000)


class LevelForm(Record):
    """The noise level of one thing."""

    of: str = Field(description="an entity's id, `background`, or `all`")
    level: float = Field(ge=LEAST, le=1)


class NoiseForm(Record):
    """How much noise the next take starts from."""

    level: float | None = Field(
        default=None, ge=LEAST, le=1, description="of the whole picture; null leaves it"
    )
    things: list[LevelForm] = Field(default=[], max_length=12)


class SpanForm(Record):
    """Which frames are to be filmed anew."""

    first: int = Field(ge=0)
    last: int = Field(ge=0)
    prompt: str | None = Field(
        default=None, max_length=2000, description="what these frames show; null leaves the prompt"
    )


class RepairAgents:
    """Verifier, router and specialists behind one language model."""

    def __init__(self, model: LanguageModel):
        self._model = model

    def verify(self, case: Case) -> list[str]:
        """What is wrong with the best take, the most important first."""
        form = self._model.ask(
            role="verifier",
            template="repair_verify",
            inputs=_told(case),
            answer=VerifiedForm,
            check=lambda form: [] if any(f.strip() for f in form.faults) else ["no fault is named"],
        )
        return [" ".join(fault.split())[:300] for fault in form.faults if fault.strip()]

    def route(
        self, case: Case, *, specialists: Sequence[Specialist], corrections: Sequence[Repair]
    ) -> tuple[Specialist | None, str]:
        """Who of `specialists` is asked next, and what for; None if what is offered suffices."""
        open_to: list[str] = [*specialists, *([NOBODY] if corrections else [])]
        form = self._model.ask(
            role="router",
            template="repair_route",
            inputs={
                **_told(case),
                "specialists": "\n".join(f"{one}: {DOES[one]}" for one in specialists),
                "nobody": NOBODY if corrections else "",
                "offered": "\n".join(each.why for each in corrections),
            },
            answer=RouteForm,
            check=lambda form: _no_specialist(form.specialist, open_to),
        )
        named: list[Specialist] = [one for one in specialists if one == form.specialist]
        return named[0] if named else None, " ".join(form.advice.split())

    def correct(
        self, specialist: Specialist, case: Case, means: Means, *, advice: str = ""
    ) -> Repair | None:
        """What the specialist changes; None if it has nothing new to offer.

        The layout is drawn by the planner's own model; simulation and seed need no words.
        """
        if specialist == "prompt":
            made = self._prompt(case, means, advice)
        elif specialist == "noise":
            made = self._noise(case, advice)
        elif specialist == "span":
            made = self._span(case, means, advice)
        else:
            return correct(specialist, case, means)
        return None if made is None else made.model_copy(update={"specialist": specialist})

    def _prompt(self, case: Case, means: Means, advice: str) -> Repair | None:
        form = self._model.ask(
            role="prompt specialist",
            template="repair_prompt",
            inputs={
                **_told(case),
                "advice": advice,
                "tried": "\n".join(dict.fromkeys(_tried_prompts(case))),
                "physical": means.physical,
                "poor": case.critique.score < 0.5,
                "words": WORDS,
            },
            answer=PromptForm,
            check=lambda form: unfit_prompt(case, form.prompt),
        )
        said = " ".join(form.prompt.split())
        if any(take.prompt == said for take in case.takes):
            return None
        return Repair(why="another prompt", prompt=said)

    def _noise(self, case: Case, advice: str) -> Repair | None:
        form = self._model.ask(
            role="noise specialist",
            template="repair_noise",
            inputs={
                **_told(case),
                "advice": advice,
                "level": case.best.noise.level,
                "ids": ", ".join(e.id for e in case.shot.scene_graph.entities),
            },
            answer=NoiseForm,
            check=lambda form: _unfit(_noise_repair(form), case),
        )
        made = _noise_repair(form)
        noise = case.best.noise
        level = noise.level if made.noise_level is None else made.noise_level
        regions = noise.regions if made.regions is None else made.regions
        if any((take.noise.level, take.noise.regions) == (level, regions) for take in case.takes):
            return None
        return made

    def _span(self, case: Case, means: Means, advice: str) -> Repair | None:
        if not means.keeps_frames:
            return None
        frames = case.best.clip.frames
        form = self._model.ask(
            role="span specialist",
            template="repair_span",
            inputs={**_told(case), "advice": advice, "last_frame": frames - 1},
            answer=SpanForm,
            check=lambda form: _unfit_span(form, case),
        )
        span = FrameSpan(first=form.first, last=form.last)
        span = whole_latents(span, step=means.frames_per_latent, frames=frames)
        if not fits(span, case, means):
            return None
        of = case.best.number
        if any((repair.span, repair.of) == (span, of) for _, repair in case.sources):
            return None
        said = " ".join((form.prompt or "").split()) or None
        why = f"film only frames {span.first}-{span.last} of take {of} anew"
        seed = correct("seed", case, means)
        assert seed is not None
        return Repair(why=why, span=span, of=of, seed=seed.seed, prompt=said)


def _tried_prompts(case: Case) -> Iterator[str]:
    """The prompts of takes that are not the best, without which an answer would be given again."""
    for take in case.takes:
        if take.prompt != case.best.prompt:
            yield take.prompt


def _told(case: Case) -> dict[str, object]:
    """What every agent of the repair is shown."""
    critique = case.critique
    asked = [
        f"{each.text} score {each.score:.2f}; expected: {each.expected}; seen: {each.seen}"
        + "".join(f"; fails in frames {span.first}-{span.last}" for span in each.spans)
        for each in critique.questions
    ]
    return {
        "shot": case.shot.prompt,
        "prompt": case.best.prompt,
        "score": f"{critique.score:.2f}",
        "answers": "\n".join(asked),
        "caption": critique.caption,
        "rules": "\n".join(critique.rules),
        "faults": "\n".join(case.verified),
        "blame": critique.blame,
        "earlier": "\n".join(
            f"take {take.number}: {repair.why}; score "
            + ("none" if take.critique is None else f"{take.critique.score:.2f}")
            for take, repair in case.sources
        ),
    }


def _no_specialist(said: str, known: Sequence[str]) -> list[str]:
    if said in known:
        return []
    return [f"`specialist` is one of {', '.join(known)}, got {said!r}"]


def _noise_repair(form: NoiseForm) -> Repair:
    regions = [Region(of=each.of, level=each.level) for each in form.things]
    told = [f"{each.of} {each.level:.2f}" for each in form.things]
    told += [] if form.level is None else [f"all {form.level:.2f}"]
    why = f"noise level: {', '.join(told) or 'as before'}"
    return Repair(why=why, noise_level=form.level, regions=regions or None)


def _unfit(repair: Repair, case: Case) -> list[str]:
    return [wrong] if (wrong := unfit(repair, case)) else []


def _unfit_span(form: SpanForm, case: Case) -> list[str]:
    last = case.best.clip.frames - 1
    if not form.first <= form.last <= last:
        return [f"`first` and `last` are in order within 0 to {last}"]
    return [] if form.prompt is None else unfit_prompt(case, form.prompt)
