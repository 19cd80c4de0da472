"""``generate``, public half."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.exercises.checking.model import Aspect, Case, Exercise, Finding, Notes, Observation
from course_lib.exercises.checking.wire import a_type


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

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

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
    """Logits that hang on every token it is shown and on their order. In train mode it says the
    opposite, as a caricature of dropout; it refuses more tokens than its context holds."""

    def __init__(self, table: Tensor, head: Tensor, context: int) -> None:
        super().__init__()
        self.table, self.head = nn.Parameter(table), nn.Parameter(head)
        self.context = context
        self.calls: list[tuple[bool, bool]] = []

    def forward(self, tokens: Tensor) -> Tensor:
        """``[batch, time]`` -> ``[batch, time, vocabulary]``."""
        time = tokens.shape[1]
        if time > self.context:
            raise ValueError(f"this model takes at most {self.context} tokens, not {time}")
        self.calls.append((self.training, torch.is_grad_enabled()))
        embedded = self.table[tokens]
        # Each token weighs 0.6 times as much as the one after it.
        ages = (torch.arange(time)[:, None] - torch.arange(time)).clamp(min=0)
        weights = (0.6 ** ages.double()).tril()
        logits = torch.sin(3 * weights @ embedded) @ self.head
        return -logits if self.training else logits


def _observe(function: Any, case: Case, notes: Notes) -> None:
    model = Continues(case["table"], case["head"], case["context"])
    model.train(case["training"])
    tokens = case["tokens"].clone()
    result = function(model, tokens, case["n_new"], case["context"])
    notes["returned"] = result
    notes["prompt_kept"] = torch.equal(tokens, case["tokens"])
    notes["evaluated"] = not any(training for training, _ in model.calls)
    notes["recorded"] = any(grad for _, grad in model.calls)
    notes["mode_afterwards"] = model.training
    notes["grad_mode"] = torch.is_grad_enabled()


def _properties(case: Case, observation: Observation) -> Iterator[Finding]:
    returned = observation["returned"]
    rows, start = case["tokens"].shape
    wanted = [rows, start + case["n_new"]]
    good = isinstance(returned, Tensor) and returned.dtype == torch.int64
    text = "the result is an int64 tensor"
    kind = returned.dtype if isinstance(returned, Tensor) else a_type(returned)
    yield Finding(good, text, f"yours is {kind}")
    if not good:
        return
    shaped = list(returned.shape) == wanted
    text = "it has the shape [batch, time + n_new]"
    yield Finding(shaped, text, f"{wanted} is expected here, yours is {list(returned.shape)}")
    if not shaped:
        return
    kept = torch.equal(returned[:, :start], case["tokens"])
    yield Finding(kept, "it starts with the given tokens")
    yield Finding(observation["prompt_kept"], "the tensor that was passed in is unchanged")
    text = "the model is in eval mode while it generates"
    yield Finding(observation["evaluated"], text)
    yield Finding(not observation["recorded"], "nothing is recorded for a backward pass")
    mode = "train" if case["training"] else "eval"
    text = f"a model in {mode} mode is in {mode} mode afterwards"
    yield Finding(observation["mode_afterwards"] == case["training"], text)
    text = "gradients are recorded again afterwards"
    yield Finding(observation["grad_mode"], text)
    if kept and observation["evaluated"]:
        place = _first_unlikely(case, returned)
        text = "each new token is the most likely one after those before it"
        if start + case["n_new"] > case["context"] + 1:
            text += ", of which the model sees the last ones"
        yield Finding(place is None, text, f"yours differs from new token number {place}")


def _first_unlikely(case: Case, returned: Tensor) -> int | None:
    """The number, from 1, of the first new token that is not the most likely one."""
    model = Continues(case["table"], case["head"], case["context"]).eval()
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
        generation_case(generator, "tokens", rows=2, start=3, n_new=4, context=12),
        generation_case(generator, "context", rows=3, start=4, n_new=6, context=5),
        generation_case(generator, "modes", rows=1, start=1, n_new=3, context=9),
        generation_case(generator, "modes", rows=2, start=2, n_new=2, context=9, training=False),
    ]


EXERCISE = Exercise(
    name="generate",
    points=2,
    task="Let a language model write: one most likely token after another.",
    aspects=(
        Aspect(
            "tokens", "each new token is the most likely one after all before it", 1, ("returned",)
        ),
        Aspect(
            "context", "the model gets the last tokens, as many as it takes", 0.5, ("returned",)
        ),
        Aspect(
            "modes",
            "in eval mode and without a graph; afterwards everything is as it was",
            0.5,
            ("evaluated", "recorded", "mode_afterwards", "grad_mode", "prompt_kept"),
            after=("tokens",),
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
    fields=("returned", "prompt_kept", "evaluated", "recorded", "mode_afterwards", "grad_mode"),
    public_cases=_public_cases,
    properties=_properties,
)
