"""What one server's answers come to: the sight of it, in which a wrong answer spoils nothing but itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from distctl.adapters.polling.answer import Answer
from distctl.adapters.polling.http import OK, SHOWN, Inquiry
from distctl.adapters.polling.lines import NoAnswer
from distctl.cluster.snapshot import Instant, ModelState, ReplicaSight, ServerSight, Silence
from distctl.cluster.spec import Endpoint, ServerId
from distctl.commands.triton import KEY_HEADER
from distctl.errors import TritonError
from distctl.facts.triton_answers import parse_index, parse_metrics, parse_statistics
from distctl.policy.asking import Question

ENDING = (400, 503)  # what Triton's health says when it is not ready, or exiting
UNREADY = ReplicaSight(ModelState.UNAVAILABLE, "it is loaded, and Triton says that it is not ready")


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is watched: where it is reached from here, and the key of its restricted API.

    Without `metrics` it is not asked for them. The key is empty for a server that has none. `probes` are the
    models that are sent made-up requests, each with the seconds that an answer may take.
    """

    id: ServerId
    http: Endpoint
    metrics: Endpoint | None = None
    key: str = field(default="", repr=False)
    probes: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """What opens the restricted API."""
        return {KEY_HEADER: self.key} if self.key else {}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a server after some turns: the sight, and what was wrong with which answer."""

    sight: ServerSight
    problems: Mapping[Question, str] = field(default_factory=dict)

    @property
    def dead(self) -> bool:
        """Whether it said nothing that a Triton says."""
        return not self.sight.live


async def ask(
    inquiry: Inquiry, target: Target, questions: frozenset[Question], known: Known, now: Callable[[], Instant]
) -> Known:
    """Ask a server these questions, `live` first. Never raises for what comes back, or does not."""
    try:
        live = await _live(inquiry, target)
    except TritonError as error:
        silence = error.silence if isinstance(error, NoAnswer) else Silence.NONE
        said = f"{target.http} {error.message}"
        return Known(ServerSight(target.id, error=said, silence=silence, at=now()))
    return await learn(
        inquiry,
        target,
        questions if live else frozenset(),
        replace(known, sight=replace(known.sight, live=live)),
        now,
    )


async def learn(
    inquiry: Inquiry, target: Target, questions: frozenset[Question], known: Known, now: Callable[[], Instant]
) -> Known:
    """Ask a server that answered `live` these other questions. Never raises, as `ask`."""
    sight, problems = known.sight, dict(known.problems)
    for question in (q for q in _HOW if q in questions):
        try:
            sight = await _HOW[question](inquiry, target, sight)
            problems.pop(question, None)
        except TritonError as error:
            problems[question] = error.message
    told = "; ".join(f"{question.value}: {text}" for question, text in problems.items())
    return Known(replace(sight, error=f"{target.http} {told}" if told else "", at=now()), problems)


async def _live(inquiry: Inquiry, target: Target) -> bool:
    answer = await inquiry.get(target.http, "/v2/health/live", end=inquiry.renew)
    if answer.status != OK and answer.status not in ENDING:
        raise TritonError(f"answers health with HTTP status {answer.status}")
    if "html" in answer.kind:
        raise TritonError(f"answers like a web page, not like Triton: {answer.body[:SHOWN]!r}")
    return answer.status == OK


async def _models(inquiry: Inquiry, target: Target, sight: ServerSight) -> ServerSight:
    """The index; where it is restricted and our key does not open it, statistics name what is ready."""
    ready = await inquiry.get(target.http, "/v2/health/ready")
    answer = await inquiry.post(target.http, "/v2/repository/index")
    if answer.status == OK:
        replicas = parse_index(_json(answer))
    else:
        sight = await _statistics(inquiry, target, sight)
        replicas = dict.fromkeys(sight.service, ReplicaSight(ModelState.READY))
    unready = {model for model, replica in sight.replicas.items() if replica == UNREADY}
    kept = {m: UNREADY if m in unready and r.state is ModelState.READY else r for m, r in replicas.items()}
    return replace(sight, ready=ready.status == OK, replicas=kept)


async def _readiness(inquiry: Inquiry, target: Target, sight: ServerSight) -> ServerSight:
    """Each model that is loaded says for itself whether it is ready: one whose process died is not."""
    found = dict(sight.replicas)
    for model, replica in sight.replicas.items():
        if replica.state is ModelState.READY or replica == UNREADY:
            answer = await inquiry.get(target.http, f"/v2/models/{quote(model, safe='')}/ready")
            found[model] = ReplicaSight(ModelState.READY) if answer.status == OK else UNREADY
    return replace(sight, replicas=found)


async def _statistics(inquiry: Inquiry, target: Target, sight: ServerSight) -> ServerSight:
    answer = await inquiry.get(target.http, "/v2/models/stats")
    return replace(sight, service=parse_statistics(_json(answer)))


async def _metrics(inquiry: Inquiry, target: Target, sight: ServerSight) -> ServerSight:
    if target.metrics is None:
        return sight
    answer = await inquiry.get(target.metrics, "/metrics", end=True)
    found = parse_metrics(_whole(answer).decode("utf-8", "replace"))
    return replace(sight, gpus=found.gpus, pending=found.pending, use=found.use)


def _whole(answer: Answer) -> bytes:
    if answer.status != OK:
        raise TritonError(f"HTTP status {answer.status}")
    return answer.body


def _json(answer: Answer) -> bytes:
    body = _whole(answer)
    if answer.kind and "json" not in answer.kind:
        raise TritonError(f"{answer.kind} instead of JSON: {body[:SHOWN]!r}")
    return body


How = Callable[[Inquiry, Target, ServerSight], Awaitable[ServerSight]]
_HOW: dict[Question, How] = {
    Question.MODELS: _models,
    Question.READY: _readiness,
    Question.STATISTICS: _statistics,
    Question.METRICS: _metrics,
}
