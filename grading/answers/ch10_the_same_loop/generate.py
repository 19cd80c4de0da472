"""``generate``, secret half."""

import copy
from collections import deque
from functools import partial

import torch

from course_lib.exercises.ch10_the_same_loop.generate import generation_case
from course_lib.exercises.checking.model import Case
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, wrong

SEEN = "tokens[:, -context:]"
APPEND = "            tokens = torch.cat([tokens, most_likely], dim=1)\n"
RETURN = "    return tokens\n"
_noted = edit("    model.eval()\n", "    given = tokens\n    model.eval()\n")
#: A solution that is named after a known mistake has to have these in common with it.
_mistake = partial(wrong, also=("returned", "shown"))


def _cases(generator: torch.Generator) -> list[Case]:
    case = partial(generation_case, generator, rows=3, start=3, n_new=5, context=20)
    return [
        case("tokens", "whole", n_new=size(generator, 4, 7), vocabulary=9),
        case("tokens", rows=1, start=1, n_new=size(generator, 3, 5), vocabulary=12),
        case("whole", rows=8, start=4, n_new=1, vocabulary=11),
        case("whole", rows=2, n_new=0),
        # Start, number and context are never equal, and the context is filled exactly once.
        case("context", start=size(generator, 5, 6), n_new=6, context=4, vocabulary=9),
        case("context", rows=4, start=2, n_new=8, context=3, vocabulary=8),
        case("context", "whole", start=4, n_new=3, context=6, vocabulary=10),
        case("modes", rows=2),
        case("modes", rows=2, n_new=3, training=False),
    ]


@torch.inference_mode()
def _collected(model, tokens, n_new, context):
    mode = model.training
    model.train(False)
    new = list(tokens.clone().unbind(dim=1))
    for _ in range(n_new):
        logits = model(torch.stack(new[-context:], dim=1))
        new.append(logits[:, -1, :].max(dim=-1).indices)
    model.train(mode)
    return torch.stack(new, dim=1)


def _written_into_place(model, tokens, n_new, context):
    given = tokens.shape[1]
    whole = torch.cat([tokens, tokens.new_zeros(len(tokens), n_new)], dim=1)
    training = model.training
    try:
        model.eval()
        with torch.no_grad():
            for end in range(given, given + n_new):
                window = whole[:, max(end - context, 0) : end]
                whole[:, end] = torch.argmax(model(window)[:, window.shape[1] - 1], dim=1)
    finally:
        model.train(training)
    return whole


def _row_by_row(model, tokens, n_new, context):
    was = model.training
    model.eval()

    @torch.no_grad()
    def continued(row: list[int]) -> list[int]:
        while len(row) < tokens.size(1) + n_new:
            scores = model(torch.tensor([row[-context:]]))[0, -1].tolist()
            row = [*row, scores.index(max(scores))]
        return row

    result = torch.tensor([continued(row) for row in tokens.tolist()], dtype=torch.int64)
    model.train(was)
    return result


def _by_topk(model, tokens, n_new, context):
    with torch.no_grad():
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        for _ in range(n_new):
            best = model(
                tokens.narrow(1, max(0, tokens.size(1) - context), min(context, tokens.size(1)))
            )
            tokens = torch.hstack((tokens, best.select(1, -1).topk(1, dim=-1)[1]))
        for module, training in modes:
            module.training = training
    return tokens


def _recursive(model, tokens, n_new, context):
    if not n_new:
        return tokens
    mode = model.training
    with torch.inference_mode():
        logits = model.eval()(tokens[:, -context:])
        first = logits[:, -1].sort(dim=-1, descending=True, stable=True).indices[:, 0]
    model.train(mode)
    return _recursive(model, torch.column_stack([tokens, first]), n_new - 1, context)


def _on_a_copy(model, tokens, n_new, context):
    """The columns of the last tokens in a short memory."""
    twin = copy.deepcopy(model).eval().requires_grad_(False)
    columns = list(tokens.T)
    window = deque(columns, maxlen=context)
    for _ in range(n_new):
        columns.append(twin(torch.stack([*window], dim=1)).softmax(-1)[:, -1].argmax(-1))
        window.append(columns[-1])
    return torch.vstack(columns).T


ANSWER = Answer(
    exercise="generate",
    cases=_cases,
    equivalent={
        "return tokens -> return torch.as_tensor(tokens)": "It is a tensor already.",
        "return tokens -> return tokens.detach()": "Whole numbers have no graph.",
        "-1 -> 1": "The vocabulary is the last of two dimensions there.",
    },
    variants=(_collected, _written_into_place, _row_by_row, _by_topk, _recursive, _on_a_copy),
    misconceptions=(
        _mistake(
            "the first position's logits",
            edit("logits[:, -1]", "logits[:, 0]"),
            "You take the logits of the first position: they say what follows the first token. What "
            "comes next is in the logits of the last position.",
        ),
        _mistake(
            "train mode",
            edit("    model.eval()\n", ""),
            "The model generates in train mode, so dropout spoils what it says. Call model.eval() "
            "first.",
        ),
        _mistake(
            "only the new tokens",
            edit(RETURN, "    return tokens[:, tokens.shape[1] - n_new :]\n"),
            "You return the new tokens alone. The result starts with the tokens that were given.",
        ),
        _mistake(
            "new tokens never fed back",
            _noted.edit(SEEN, "given[:, -context:]"),
            "The model always sees the tokens that were given, so it says the same thing each time. "
            "Append each new token, and show it the longer sequence.",
        ),
        _mistake(
            "context ignored",
            edit(SEEN, "tokens"),
            "You show the model all tokens so far, but it takes no more than `context` of them. "
            "Show it the last ones.",
        ),
        _mistake(
            "first tokens instead of last ones",
            edit(SEEN, "tokens[:, :context]"),
            "When the sequence is longer than the context, you show the model its beginning. What "
            "comes next depends on the last tokens: tokens[:, -context:].",
        ),
        _mistake(
            "last token alone",
            edit(SEEN, "tokens[:, -1:]"),
            "You show the model its last token only, so it forgets everything before it. Show it as "
            "many of the last tokens as it takes.",
        ),
        _mistake(
            "one token too few",
            edit("range(n_new)", "range(n_new - 1)"),
            "You add one token too few: the loop needs n_new rounds.",
        ),
        _mistake(
            "least likely token",
            edit("argmax", "argmin"),
            "You take the least likely token. The largest logit belongs to the most likely one.",
        ),
        _mistake(
            "left in eval mode",
            edit("    model.train(was_training)\n", ""),
            "The model stays in eval mode. Whoever trains it afterwards does so without dropout. Note "
            "model.training first, and restore it at the end.",
        ),
        _mistake(
            "always train mode afterwards",
            edit("model.train(was_training)", "model.train()"),
            "A model that was in eval mode is in train mode afterwards. Note model.training first, and "
            "restore that.",
        ),
        _mistake(
            "graph recorded",
            edit("    with torch.no_grad():\n", "    if True:\n"),
            "Every forward pass records a graph that nobody needs. Generate under torch.no_grad().",
        ),
        _mistake(
            "prompt overwritten",
            _noted.edit(RETURN, "    given[:, -1] = tokens[:, -1]\n" + RETURN),
            "You write into the tensor that was passed in. Make a new one: torch.cat does.",
        ),
        _mistake(
            "nothing returned",
            edit(RETURN, ""),
            "You return nothing. The result is the given tokens followed by the new ones: return them "
            "after the loop.",
        ),
        _mistake(
            "a list instead of a tensor",
            edit(RETURN, "    return list(tokens)\n"),
            "You return a list. The result is one tensor, [batch, time + n_new].",
        ),
        _mistake(
            "something else returned",
            edit(RETURN, "    return n_new\n"),
            "You return something other than the tokens. Return one tensor: the given ones, followed by "
            "the new ones.",
            recognise=lambda case, got: not isinstance(got["returned"], torch.Tensor | list | None),
        ),
        _mistake(
            "new tokens not appended",
            edit(APPEND, ""),
            "You never append what the model says, and return the given tokens as they were. Append "
            "each new token to them: torch.cat.",
        ),
        _mistake(
            "context as the number of new tokens",
            edit("range(n_new)", "range(context)"),
            "You add as many tokens as the model takes at most. Add n_new of them.",
        ),
        _mistake(
            "one new token only",
            edit(APPEND, APPEND + "            break\n"),
            "You add one new token only, because the loop ends after its first round. It needs n_new rounds.",
        ),
        _mistake(
            "the second position's logits",
            edit("logits[:, -1]", "logits[:, 1]"),
            "You take the logits of the second position: they say what follows the second token, and a "
            "prompt of one token has no such position. What comes next is in the logits of the last position.",
        ),
        _mistake(
            "the last position but one",
            edit("logits[:, -1]", "logits[:, -2]"),
            "You take the logits of the second-to-last position: they say what follows the second-to-last "
            "token, and a prompt of one token has no such position. What comes next is in the logits of the "
            "last position.",
        ),
        _mistake(
            "n_new for the context",
            edit(SEEN, "tokens[:, -n_new:]"),
            "You show the model as many of the last tokens as you add. Show it `context` of them.",
        ),
    ),
)
