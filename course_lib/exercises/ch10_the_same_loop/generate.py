"""``generate``, public half."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type
from course_lib.exercises.support import draw


def generation_case(
    generator: torch.Generator,
    *asks: str,
    rows: int,
    start: int,
    n_new: int,
    context: int,
    vocabulary: int = 7,
    training: bool = True,
) -> dict[str, Any]:
    """A case: ``rows`` prompts of ``start`` tokens, and a table that makes a model of them."""
    normal = partial(draw.normal, generator)
    return {
        "asks": asks,
        "tokens": torch.randint(vocabulary, (rows, start), generator=generator),
        "n_new": n_new,
        "context": context,
        "table": normal(vocabulary, 6),
        "head": normal(6, vocabulary),
        "training": training,
    }


class Continues(nn.Module):
    """Logits that depend on every token it is shown and on their order. In train mode it says the
    opposite, as a caricature of dropout; it refuses more tokens than its context holds."""

    def __init__(
        self, table: Tensor, head: Tensor, context: int, note: Callable[..., None]
    ) -> None:
        super().__init__()
        self.table, self.head = nn.Parameter(table), nn.Parameter(head)
        self.context = context
        self.note = note  # a function, which copies of the model share

    def forward(self, tokens: Tensor) -> Tensor:
        """``[batch, time]`` -> ``[batch, time, vocabulary]``."""
        time = tokens.shape[1]
        if time > self.context:
            raise ValueError(f"this model takes at most {self.context} tokens, not {time}")
        embedded = self.table[tokens]
        # Each token weighs 0.6 times as much as the one after it.
        ages = (torch.arange(time)[:, None] - torch.arange(time)).clamp(min=0)
        weights = (0.6 ** ages.double()).tril()
        logits = torch.sin(3 * weights @ embedded) @ self.head
        logits = -logits if self.training else logits
        said = logits[:, -1].argmax(dim=1)
        self.note(tokens.tolist(), said.tolist(), self.training, logits.requires_grad)
        return logits


def _observe(function: Any, case: Case, notes: Notes) -> None:
    calls: list[tuple[list[list[int]], list[int], bool, bool]] = []
    model = Continues(
        case["table"], case["head"], case["context"], lambda *call: calls.append(call)
    )
    model.train(case["training"])
    tokens = case["tokens"].clone()
    notes["returned"] = function(model, tokens, case["n_new"], case["context"])
    # What the model was shown, and what it called the most likely next token: a list for each call.
    notes["shown"] = [shown for shown, _, _, _ in calls]
    notes["said"] = [said for _, said, _, _ in calls]
    notes["prompt_kept"] = torch.equal(tokens, case["tokens"])
    notes["evaluated"] = not any(training for _, _, training, _ in calls)
    notes["recorded"] = any(recorded for *_, recorded in calls)
    notes["mode_afterwards"] = model.training
    notes["grad_mode"] = torch.is_grad_enabled()


def _facts(case: Case, observation: Observation) -> Mapping[str, Any]:
    """Whether the result is what was asked for; and, token by token, whether the model named it
    when it was shown the end of what stands before it (``follows_model``), and whether it was shown
    exactly as much of that as it takes (``sees_last``).

    Neither depends on the mode of the model, nor the second on which token was taken then.
    """
    facts: dict[str, Any] = {"used": bool(observation["shown"]) or not case["n_new"]}
    start = case["tokens"].shape[1]
    returned = observation["returned"]
    facts["is_tokens"] = isinstance(returned, Tensor) and returned.dtype == torch.int64
    facts["has_shape"] = facts["is_tokens"] and list(returned.shape) == _wanted_shape(case)
    facts["starts"] = facts["is_tokens"] and torch.equal(returned[:, :start], case["tokens"])
    rows = returned.tolist() if facts["starts"] else []
    ends = range(start, len(rows[0])) if rows else range(0)
    named = {
        (tuple(row), token)
        for shown, said in zip(observation["shown"], observation["said"], strict=True)
        for row, token in zip(shown, said, strict=True)
    }
    inputs = {row for row, _ in named}
    facts["follows_model"] = bool(ends) and all(
        any((tuple(row[first:end]), row[end]) in named for first in range(end))
        for row in rows
        for end in ends
    )
    facts["sees_last"] = bool(ends) and all(
        tuple(row[max(0, end - case["context"]) : end]) in inputs for row in rows for end in ends
    )
    return facts


def _wanted_shape(case: Case) -> list[int]:
    rows, start = case["tokens"].shape
    return [rows, start + case["n_new"]]


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned, asks = observation["returned"], case["asks"]
    kind, shape = "the result is an int64 tensor", "the result has the shape [batch, time + n_new]"
    if not observation["is_tokens"]:
        got = f"yours is {returned.dtype if isinstance(returned, Tensor) else a_type(returned)}"
        yield Finding(False, kind, got)
        if "whole" in asks:
            yield Finding(False, shape, got)
    elif not {"tokens", "whole"}.isdisjoint(asks):
        yield Finding(True, kind)
    if "tokens" in asks and observation["is_tokens"]:
        text = "each new token is the one that the model finds most likely after those before it"
        place = _first_unlikely(case, returned) if observation["starts"] else None
        got = f"yours differs from new token number {place} on" if place else ""
        if not observation["starts"]:
            got = "yours does not begin with the given tokens"
        elif returned.shape[1] == case["tokens"].shape[1]:
            got = "yours has no new token"
        yield Finding(observation["follows_model"], text, got)
    if "context" in asks:
        text = (
            "for each new token the model sees the last tokens before it, the new ones included: "
            "`context` of them, or all if there are fewer"
        )
        other = "yours returns nothing that begins with the given tokens"
        yield Finding(observation["sees_last"], text, "" if observation["starts"] else other)
    if "whole" in asks and observation["is_tokens"]:
        got = f"that is {_wanted_shape(case)} here, yours is {list(returned.shape)}"
        yield Finding(observation["has_shape"], shape, got)
        yield Finding(observation["starts"], "the result starts with the given tokens")
        yield Finding(observation["used"], "the model is called")
    if "modes" in asks:
        yield Finding(observation["prompt_kept"], "the tensor that was passed in is unchanged")
        text = "the model is in eval mode while it generates"
        yield Finding(observation["used"] and observation["evaluated"], text)
        yield Finding(not observation["recorded"], "nothing is recorded for a backward pass")
        mode = "train" if case["training"] else "eval"
        text = f"a model in {mode} mode is in {mode} mode afterwards"
        yield Finding(observation["mode_afterwards"] == case["training"], text)
        yield Finding(observation["grad_mode"], "gradients are recorded again afterwards")


def _first_unlikely(case: Case, returned: Tensor) -> int | None:
    """The number, from 1, of the first new token that is not the most likely one."""
    model = Continues(case["table"], case["head"], case["context"], lambda *_: None).eval()
    start = case["tokens"].shape[1]
    with torch.no_grad():
        for place in range(start, returned.shape[1]):
            seen = returned[:, max(0, place - case["context"]) : place]
            if (model(seen)[:, -1].argmax(dim=1) != returned[:, place]).any():
                return place - start + 1
    return None


def _public_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(103)
    return [
        generation_case(generator, "tokens", "whole", rows=2, start=3, n_new=4, context=12),
        generation_case(generator, "context", "whole", rows=3, start=4, n_new=6, context=5),
        generation_case(generator, "modes", "tokens", rows=1, start=1, n_new=3, context=9),
        generation_case(generator, "modes", rows=2, start=2, n_new=2, context=9, training=False),
    ]


EXERCISE = Exercise(
    name="generate",
    points=2,
    task="Let a language model write: one most likely token after another.",
    aspects=(
        Aspect(
            "tokens",
            "each new token is the one that the model finds most likely",
            0.5,
            ("follows_model",),
        ),
        Aspect(
            "whole",
            "the given tokens come back, followed by n_new new ones",
            0.5,
            ("has_shape", "starts", "used"),
        ),
        Aspect(
            "context", "the model sees the last tokens, as many as it takes", 0.5, ("sees_last",)
        ),
        Aspect(
            "modes",
            "in eval mode and without a graph; afterwards everything is as it was",
            0.5,
            ("used", "evaluated", "recorded", "mode_afterwards", "grad_mode", "prompt_kept"),
        ),
    ),
    hints=(
        "A loop of n_new rounds. In each: give the model the last tokens, look at the logits of the "
        "last position, take the argmax over the vocabulary, and append it to the tokens.",
        "tokens[:, -context:] are the last ones. logits[:, -1].argmax(dim=-1, keepdim=True) is "
        "[batch, 1], which torch.cat([tokens, ...], dim=1) appends. Keep model.training before "
        "model.eval(), and give it to model.train(...) at the end.",
    ),
    observe=_observe,
    fields=(
        "returned",
        "shown",
        "said",
        "prompt_kept",
        "evaluated",
        "recorded",
        "mode_afterwards",
        "grad_mode",
    ),
    facts=_facts,
    derived=("used", "is_tokens", "has_shape", "starts", "follows_model", "sees_last"),
    public_cases=_public_cases,
    properties=_properties,
)
