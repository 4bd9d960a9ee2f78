"""An OpenAI-compatible moderation endpoint, and what its categories are called here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from reelwright_core import web
from reelwright_core.errors import EndpointError
from reelwright_core.safety import Aspect, Finding
from reelwright_core.settings import Endpoint

ASPECTS: Mapping[str, Aspect] = {
    "sexual": Aspect.PORNOGRAPHY,
    "sexual/minors": Aspect.PORNOGRAPHY,
    "harassment": Aspect.DISCRIMINATION,
    "harassment/threatening": Aspect.VIOLENCE,
    "hate": Aspect.DISCRIMINATION,
    "hate/threatening": Aspect.DISCRIMINATION,
    "illicit": Aspect.ILLEGAL_ACTIVITIES,
    "illicit/violent": Aspect.ILLEGAL_ACTIVITIES,
    "self-harm": Aspect.DISTURBING_CONTENT,
    "self-harm/intent": Aspect.DISTURBING_CONTENT,
    "self-harm/instructions": Aspect.DISTURBING_CONTENT,
    "violence": Aspect.VIOLENCE,
    "violence/graphic": Aspect.GORE,
}
"""OpenAI's categories; one that is not here counts as disturbing content."""
_MINORS = "sexual/minors"
_AT_ONCE = 32
"""Texts in one call."""


class _Result(BaseModel):
    flagged: bool
    categories: dict[str, bool | None]


class _Answer(BaseModel):
    results: list[_Result]


class Moderation:
    """Asks the settings' endpoint about texts; `EndpointError` whenever it does not answer."""

    def __init__(self, endpoint: Endpoint, *, model: str):
        self.model = model
        self._endpoint = endpoint
        url = (endpoint.base_url or "https://api.openai.com/v1").strip()
        self._url = url
        self.address = web.address(
            url, setting="endpoint.base_url", example="http://localhost:8000/v1"
        )
        """Without any name or password, for messages."""
        self._key = web.key_of(endpoint.api_key, setting="OPENAI_API_KEY")

    def look(self, texts: Sequence[str]) -> list[list[Finding]]:
        """For each of `texts` why it would be refused."""
        found: list[list[Finding]] = []
        for start in range(0, len(texts), _AT_ONCE):
            part = list(texts[start : start + _AT_ONCE])
            found += [list(_findings(result)) for result in self._asked(part)]
        return found

    def _asked(self, texts: list[str]) -> list[_Result]:
        import openai

        told = self._endpoint
        try:
            with openai.OpenAI(
                base_url=self._url, api_key=self._key or "none", timeout=told.timeout,
                max_retries=told.retries,
                http_client=openai.DefaultHttpxClient(verify=web.certificates()),
            ) as client:  # fmt: skip
                raw: Any = client.moderations.with_raw_response.create(
                    model=self.model, input=texts
                )
                answer = _Answer.model_validate_json(raw.content)
        except ValidationError:
            raise self._failed("answers with something that is no moderation") from None
        except openai.APIStatusError as error:
            words = " ".join(web.hidden(str(error.response.text), self._key).split())[:300]
            raise self._failed(f"answers {error.status_code}: {words}") from None
        except openai.OpenAIError as error:
            raise self._failed(f"does not answer ({type(error).__name__})") from None
        if len(answer.results) != len(texts):
            raise self._failed(f"answers {len(answer.results)} of {len(texts)} texts")
        return answer.results

    def _failed(self, how: str) -> EndpointError:
        return EndpointError(
            f"safety: the moderation `{self.model}` at {self.address} {how}; nothing is let "
            "through unchecked: see to the endpoint, or unset `safety.moderation` to use the "
            "built-in rules alone"
        )


def _findings(result: _Result) -> Iterator[Finding]:
    named = [name for name, held in result.categories.items() if held]
    for name in named or (["flagged"] if result.flagged else []):
        yield Finding(
            aspect=ASPECTS.get(name, Aspect.DISTURBING_CONTENT),
            why=f"the moderation endpoint finds `{name}`",
            by="moderation",
            always=name == _MINORS,
        )
