"""``trace_shapes``, secret half. Long: hooks can be set, kept and read in many wrong ways."""

import contextlib
import copy
import functools
from unittest import mock

import torch
from torch import nn

from course_lib.exercises.ch01_forward_pass.trace_shapes import trace_case
from course_lib.exercises.checking.model import Case, Observation
from course_lib.exercises.checking.wire import a_type, in_short
from grading.answers.compare import difference, in_own_words
from grading.answers.draw import size
from grading.answers.edit import edit
from grading.answers.model import Answer, Symptom, Trial, wrong

MODULES = "in model.named_modules()"
LEAF = "not list(module.children())"
RUN = "        model(x)\n"
REMOVE = "        for handle in handles:\n            handle.remove()\n"


def _cases(generator: torch.Generator) -> list[Case]:
    def case(model: str, count: int, training: bool = True) -> Case:
        sizes = [size(generator, 2, 5) + 5 * i for i in range(count)]
        return trace_case(model, sizes, size(generator, 2, 8), training)

    return [
        case("nested", 4),
        case("pictures", 3, training=False),
        case("backwards", 3),
        case("repeated", 3, training=False),
        case("shared", 2),
        case("leaf", 2),
    ]


#: In what way the models of the cases are unusual.
_MODELS = {
    "nested": "with a model of nested containers",
    "pictures": "with a model for pictures",
    "backwards": "with a model whose layers run in another order than they were registered in",
    "repeated": "with a model that runs one layer twice, and another never",
    "shared": "with a model in which one layer sits in two places",
    "leaf": "with a model that is a single layer",
}


def _trace_problem(case: Case, expected: Observation, got: Observation) -> str | None:
    """The first entry of the list that is not the one that is due."""
    right, trace, model = expected["trace"], got.get("trace"), _MODELS[case["model"]]
    if not isinstance(trace, list):
        return f"the result should be a list of (name, shape) pairs; yours is {a_type(trace)}"
    for number, (due, entry) in enumerate(zip(right, trace, strict=False), 1):
        if difference(due, entry, 0.0, 0.0) is not None:
            return f"{model}, entry {number} of the list should be {due}; yours is {_shown(entry)}"
    if not trace:
        return f"{model}, the list should begin with {right[0]}; yours is empty"
    if len(trace) < len(right):
        return f"{model}, the list should go on with {right[len(trace)]}; yours ends there"
    if len(trace) > len(right):
        more = _shown(trace[len(right)])
        return f"{model}, your list goes on after the last entry that is due, with {more}"
    return None


def _shown(entry: object) -> str:
    """An entry of the list in words, and not too many of them."""
    words = _in_words(entry)
    return words if len(words) <= 80 else f"{words[:77]}..."


def _in_words(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_in_words, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_words, value))}]"
    return in_short(value)


def _stays_empty(trial: Trial) -> bool:
    """The model runs, and yet nothing is listed; a single layer may be an exception."""
    got, excepted = trial.got, trial.case["model"] == "leaf"
    return excepted or (got["trace"] == [] and got["older_hook_ran_inside"] > 0)


def _other_things(trial: Trial) -> bool:
    trace = trial.got["trace"]
    return isinstance(trace, list) and not all(map(_is_pair, trace))


def _is_pair(entry: object) -> bool:
    return (
        isinstance(entry, tuple)
        and [type(part) for part in entry] == [str, tuple]
        and all(type(number) is int for number in entry[1])
    )


def _global_hook(model, x):
    """One hook for all modules everywhere."""
    names = {module: name for name, module in model.named_modules()}
    trace = []

    def hook(module, inputs, output):
        if module in names and not any(True for _ in module.children()):
            trace.append((names[module], output.size()))

    handle = nn.modules.module.register_module_forward_hook(hook)
    try:
        model(x)
    finally:
        handle.remove()
    return trace


def _forward_replaced(model, x):
    """Each leaf's forward is replaced on the instance, and put back."""
    trace = []
    leaves = [(name, m) for name, m in model.named_modules() if not list(m.children())]
    for name, module in leaves:

        def forward(*args, _name=name, _original=module.forward):
            result = _original(*args)
            trace.append((_name, tuple(result.shape)))
            return result

        module.forward = forward
    model(x)
    for _, module in leaves:
        del module.forward
    return trace


class _Tracer:
    def __init__(self, name, trace):
        self.name, self.trace = name, trace

    def __call__(self, module, args, kwargs, output):
        self.trace += [[self.name, list(output.shape)]]


def _callable_objects(model, x):
    """Pairs and shapes as lists, all modules visited, containers skipped."""
    trace = []
    handles = [
        module.register_forward_hook(_Tracer(name, trace), with_kwargs=True)
        for name, module in model.named_modules()
        if len(module._modules) == 0
    ]
    with torch.no_grad():
        model(x)
    [handle.remove() for handle in handles]
    return trace


def _with_an_exit_stack(model: nn.Module, x: torch.Tensor) -> list[tuple[str, tuple[int, ...]]]:
    trace: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str):
        return lambda _module, _inputs, output: trace.append((name, (*output.shape,)))

    with contextlib.ExitStack() as stack:
        for name, module in model.named_modules():
            if next(module.children(), None) is None:
                stack.callback(module.register_forward_hook(note(name)).remove)
        model(x)
    return trace


def _patched_call(model, x):
    """nn.Module.__call__ itself is watched while the model runs."""
    names = {id(m): n for n, m in model.named_modules() if not len(list(m.children()))}
    found, original = [], nn.Module.__call__

    def call(module, *args, **kwargs):
        output = original(module, *args, **kwargs)
        if id(module) in names:
            found.append((names[id(module)], output.size()))
        return output

    with mock.patch.object(nn.Module, "__call__", call):
        model(x)
    return [(name, tuple(size)) for name, size in found]


def _walked(model, x):
    """The names are found in recursion, module by module, and each module once."""
    trace, handles, seen = [], [], set()

    def walk(module, name):
        if module in seen:
            return
        seen.add(module)
        if not (children := dict(module.named_children())):
            note = functools.partial(lambda own, *args: trace.append((own, args[-1].shape)), name)
            handles.append(module.register_forward_hook(note))
        for own, child in children.items():
            walk(child, f"{name}.{own}" if name else own)

    walk(model, "")
    model(x)
    while handles:
        handles.pop().remove()
    return trace


def _on_a_copy(model, x):
    """Whatever becomes of the hooks, they are not on the model; containers are left out at the end."""
    trace, twin = [], copy.deepcopy(model)
    for name, module in twin.named_modules():
        module.register_forward_hook(
            lambda m, _, output, name=name: trace.append((name, tuple(output.shape), m))
        )
    twin(x)
    return [(name, shape) for name, shape, module in trace if not [*module.children()]]


ANSWER = Answer(
    exercise="trace_shapes",
    cases=_cases,
    compare={
        "names": in_own_words(_trace_problem, "names"),
        "shapes": in_own_words(_trace_problem, "shapes"),
        "order": _trace_problem,
    },
    results=("trace",),
    given=lambda case: _MODELS[case["model"]],
    equivalent={"return trace -> return list(trace)": "It is a list."},
    variants=(
        _global_hook,
        _forward_replaced,
        _callable_objects,
        _with_an_exit_stack,
        _patched_call,
        _walked,
        _on_a_copy,
    ),
    misconceptions=(
        wrong(
            "containers listed",
            edit(LEAF, "True"),
            "Containers such as nn.Sequential, and the model itself, are listed as well. Hook "
            "leaves only: modules without children.",
        ),
        wrong(
            "top level only",
            edit(MODULES, "in model.named_children()").edit(LEAF, "True"),
            "named_children() gives the first level only. named_modules() walks through all "
            "levels.",
        ),
        wrong(
            "registration order instead of execution order",
            edit(
                "return trace",
                """\
shapes = dict(trace)
    return [(name, shapes[name]) for name, _ in model.named_modules() if name in shapes]""",
            ),
            "The list follows the order in which the modules were registered. Let each hook "
            "append when it runs: that is the order of execution.",
        ),
        wrong(
            "each module once",
            edit("return trace", "return list(dict(trace).items())"),
            "A module that runs twice appears only once. Collect the pairs in a list: a dictionary "
            "keeps one entry per name.",
        ),
        wrong(
            "one name for all",
            edit("def add_hook(name, module)", "def add_hook(_, module)"),
            "All entries carry the name of the last module. A function looks up `name` when it "
            "runs, and by then the loop is over: bind it with a default argument, name=name.",
        ),
        wrong(
            "input shapes",
            edit("output.shape", "inputs[0].shape"),
            "These are the shapes that go in. A hook gets (module, inputs, output): take the last.",
        ),
        wrong(
            "batch dimension dropped",
            edit("output.shape", "output.shape[1:]"),
            "The first dimension, the batch, is missing from the shapes. Report the full shapes.",
        ),
        wrong(
            "class names instead of names",
            edit("append((name", "append((type(module).__name__"),
            'You report the class ("Linear"). The name is where the module sits in the model, as '
            "named_modules() gives it.",
        ),
        wrong(
            "forward called directly",
            edit(RUN, "        model.forward(x)\n"),
            "You call model.forward(x), which skips the hooks of the model itself. When the model "
            "is a single layer, those are all there are. Call model(x).",
            also=("older_hook_ran_inside",),
        ),
        wrong(
            "the model itself left out",
            edit(LEAF, f"name and {LEAF}"),
            'You skip the module with the name "". When the model is a single layer, it is itself '
            "a leaf: check for children, not for the name.",
        ),
        wrong(
            "containers known by their class",
            edit(LEAF, "not isinstance(module, torch.nn.Sequential) and module is not model"),
            "You leave out nn.Sequential and the model itself. Other containers, and your own "
            "classes, have children too, and a model may be a leaf. Check for children.",
        ),
        wrong(
            "linear layers only",
            edit(LEAF, f"{LEAF} and isinstance(module, torch.nn.Linear)"),
            "You list only linear layers. List every leaf: activations, dropout and the others "
            "too.",
        ),
        wrong(
            "several names for one module",
            edit(MODULES, "in model.named_modules(remove_duplicate=False)"),
            "A module that sits in two places in the model gets a hook for each of its names, so "
            "each of its runs is recorded twice. named_modules() gives it once, under its first "
            "name.",
        ),
        wrong(
            "model.apply for named_modules",
            edit(
                f"    for name, module {MODULES}:\n        if {LEAF}:\n"
                "            add_hook(name, module)\n",
                "    names = {module: name for name, module in model.named_modules()}\n"
                "    model.apply(\n"
                "        lambda m: None if list(m.children()) else add_hook(names[m], m)\n"
                "    )\n",
            ),
            "model.apply visits a module once for each place where it sits, so a module in two places "
            "gets two hooks, and each of its runs is listed twice. named_modules() gives each module "
            "once.",
        ),
        wrong(
            "the weights' shapes",
            lambda model, x: [(name, tuple(p.shape)) for name, p in model.named_parameters()],
            "These are the shapes of the parameters, which do not depend on x. Run the model, and "
            "let hooks record the shapes of the outputs.",
        ),
        wrong(
            "leaves called one after another",
            edit(
                RUN,
                "        for module in model.modules():\n"
                "            if not list(module.children()):\n"
                "                x = module(x)\n",
            ),
            "You call the leaves yourself, in the order in which they are registered. Only the "
            "model's forward knows the real order: call model(x), and let hooks listen.",
        ),
        wrong(
            "model never run",
            edit(RUN, "        pass\n"),
            "Your hooks are added and removed, but no batch passes through in between. Call "
            "model(x) before you remove them.",
            also=("older_hook_ran_inside",),
        ),
        wrong(
            "shapes in a dictionary",
            edit("return trace", "return dict(trace)"),
            "You return a dictionary, which keeps one entry per name. Return the list of pairs: a "
            "module that runs twice has two.",
        ),
        wrong(
            "only the last handle removed",
            edit(REMOVE, "        handles[-1].remove()\n"),
            "Only the last hook is removed. Keep all handles in a list, and call remove() on every one.",
        ),
        wrong(
            "run twice",
            edit(RUN, RUN + RUN),
            "The model runs twice while the hooks are on, so everything is listed twice. One call "
            "to model(x) is enough.",
        ),
        wrong(
            "everybody's hooks removed",
            edit(
                REMOVE,
                """\
        for module in model.modules():
            module._forward_hooks.clear()
""",
            ),
            "You clear all the model's hooks, including somebody else's. Keep the handles that "
            "register_forward_hook returns, and remove those.",
        ),
        wrong(
            "left in eval mode",
            edit(RUN, f"        model.eval()\n{RUN}"),
            "You switch the model to eval mode and leave it there. Whoever trains it next will do "
            "so without dropout: run it in the mode you find it in.",
        ),
        wrong(
            "hooks left behind",
            edit(REMOVE, "        pass\n"),
            "Your hooks stay on the model: each later forward pass runs them, and each call to "
            "trace_shapes adds more. Call remove() on every handle.",
            recognise=lambda case, got: got.error is None and got.get("hooks_left", 0) > 0,
        ),
    ),
    symptoms=(
        Symptom(
            "nothing listed",
            edit(LEAF, "False"),
            "The model runs, and your list stays empty. Does each leaf get a hook, and does the hook append "
            "to the list that you return?",
            lambda wrong, trials: all(map(_stays_empty, trials)),
        ),
        Symptom(
            "not pairs of a name and a shape",
            edit("append((name", "append((module"),
            'Your list holds something other than pairs of a name and a shape, like ("fc1", (32, 128)): a '
            "string, and a tuple of ints.",
            lambda wrong, trials: any(map(_other_things, trials)),
        ),
        Symptom(
            "names of other modules",
            edit(LEAF, "list(module.children())"),
            "Some names in your list do not belong to leaves that run. A leaf has no children, and "
            "named_modules() says what it is called.",
            lambda wrong, trials: any(
                set(t.got["names"]) - set(t.expected["names"]) for t in trials
            ),
        ),
        Symptom(
            "right names, other shapes",
            edit("tuple(output.shape)", "tuple()"),
            "The names are right, the shapes are not. Next to each leaf's name goes the shape of its output, "
            "output.shape, batch dimension first.",
            lambda wrong, trials: all(t.got["names"] == t.expected["names"] for t in trials),
        ),
    ),
)
