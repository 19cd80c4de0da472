"""First-order changes of a solution: each mutant differs from it in one place.

Pure: source in, sources out. ``mutation_run`` runs them through the judge. What is changed is what
people get wrong: a statement is left out, an operator or a comparison is another one, a number is
off by one, an argument is missing, a condition is turned round, a loop is left too early or not at
all, a name is mistaken for another, a result is cast, a default differs, state is shared.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

#: What stands in place of an operator or a comparison.
_OTHERS: dict[type, tuple[type, ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
}
#: Casts of a result that leave its value alone and change what it is.
_CASTS = ("float({})", "torch.as_tensor({})", "list({})", "({}).detach()", "({}).item()")


@dataclass(frozen=True)
class Mutant:
    """``name`` says what was changed ("optimizer.step() -> nothing"), and is unique among the mutants
    of a solution; ``kind`` is the operator that made it; ``source`` is the whole changed solution."""

    name: str
    kind: str
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """Every first-order mutant of ``source`` that differs from it, each once."""
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    names: Counter[str] = Counter()
    found = []
    for kind, before, after, changed in _changes(tree):
        text = ast.unparse(ast.fix_missing_locations(changed))
        if text in seen:
            continue
        seen.add(text)
        name = f"{before} -> {after}"
        names[name] += 1
        found.append(Mutant(name if names[name] == 1 else f"{name} #{names[name]}", kind, text))
    return found


def evenly(mutants: list[Mutant], most: int) -> list[Mutant]:
    """At most so many of them, evenly spread."""
    step = max(1.0, len(mutants) / max(most, 1))
    return [mutants[int(i * step)] for i in range(min(most, len(mutants)))]


def _changes(tree: ast.Module) -> Iterator[tuple[str, str, str, ast.Module]]:
    """(kind, what stood there, what stands there now, the changed tree) for every change."""
    for node in ast.walk(tree):
        for kind, replacement, after in _replacements(node, tree):
            changed = deepcopy(tree, {id(node): deepcopy(replacement)})  # in the node's place
            yield kind, _short(node), after if after is not None else _short(replacement), changed
    yield from _moved_returns(tree)
    yield from _shared_state(tree)


def _replacements(node: ast.AST, tree: ast.Module) -> Iterator[tuple[str, ast.AST, str | None]]:
    """(kind, the node to put in its place, what to call it; None for its own text)."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return  # a docstring
        case ast.Assign() | ast.AugAssign() | ast.Expr() | ast.Raise() | ast.Return():
            yield "statement deleted", ast.Pass(), "nothing"
        case ast.Break() | ast.Continue():
            other = ast.Continue() if isinstance(node, ast.Break) else ast.Break()
            yield "break moved", other, None
            yield "break moved", ast.Pass(), "nothing"
    match node:
        case ast.AugAssign(op=op):
            for other in _OTHERS.get(type(op), ()):
                yield "operator", _with(node, op=other()), None
            yield "operator", ast.Assign([node.target], node.value, lineno=0), None
        case ast.BinOp(left=left, op=op, right=right):
            for other in _OTHERS.get(type(op), ()):
                yield "operator", _with(node, op=other()), None
            yield "operand dropped", left, None
            yield "operand dropped", right, None
        case ast.UnaryOp(operand=operand):
            yield "operator", operand, None
        case ast.Compare(ops=[op]):
            for other in _OTHERS.get(type(op), ()):
                yield "comparison", _with(node, ops=[other()]), None
        case ast.BoolOp(op=op, values=values):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "boolean", _with(node, op=other), None
            for place in range(len(values)):
                rest = values[:place] + values[place + 1 :]
                yield "boolean", rest[0] if len(rest) == 1 else _with(node, values=rest), None
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield "condition", _with(node, test=_negated(test)), f"not ({_short(test)})"
            if not isinstance(node, ast.While):
                yield "condition", _with(node, test=ast.Constant(True)), "always"
                yield "condition", _with(node, test=ast.Constant(False)), "never"
        case ast.With(items=items, body=body):
            yield "context dropped", ast.If(ast.Constant(True), body, []), "without it"
            for place in range(len(items) if len(items) > 1 else 0):
                rest = items[:place] + items[place + 1 :]
                yield "context dropped", _with(node, items=rest), None
        case ast.Call(args=args, keywords=keywords):
            for place in range(len(keywords)):
                rest = keywords[:place] + keywords[place + 1 :]
                yield "argument dropped", _with(node, keywords=rest), None
            if args:
                yield "argument dropped", _with(node, args=args[:-1]), None
            if len(args) == 2:
                yield "arguments swapped", _with(node, args=args[::-1]), None
            if isinstance(node.func, ast.Attribute) and not (args or keywords):
                yield "call dropped", node.func.value, None
        case ast.Constant(value=value):
            for other in _other_constants(value):
                yield "constant", ast.Constant(other), None
        case ast.Name(id=name, ctx=ast.Load()):
            for other in _other_names(name, node, tree):
                yield "name", ast.Name(other, ast.Load()), None
        case ast.Return(value=value) if value is not None:
            text = ast.unparse(value)
            for cast in _CASTS:
                new = ast.parse(cast.format(text), mode="eval").body
                yield "result cast", ast.Return(new), None


def _other_constants(value: object) -> tuple[object, ...]:
    match value:
        case bool():
            return (not value,)
        case int():
            return (value + 1, value - 1)
        case float():
            return (value * 2, 0.0 if value else 1.0)
        case _:
            return ()


def _other_names(name: str, node: ast.AST, tree: ast.Module) -> list[str]:
    """Other arguments and variables of the same function, the nearest three in order."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and any(n is node for n in ast.walk(function)):
            own = [arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)]
            own += [
                n.id
                for n in ast.walk(function)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            ]
            own = [each for each in dict.fromkeys(own) if each != "self"]
            if name not in own:
                return []
            place = own.index(name)
            others = sorted((abs(i - place), i) for i in range(len(own)) if i != place)
            return [own[i] for _, i in others[:3]]
    return []


def _moved_returns(tree: ast.Module) -> Iterator[tuple[str, str, str, ast.Module]]:
    """A return that follows a loop moves into it; a break after the first round comes in."""
    for loop in (n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While)):
        title = _short(loop)
        changed, copy = _copied(tree, loop)
        copy.body.append(ast.Break())
        yield "break moved", title, "one round only", changed
        follows = _return_after(tree, loop)
        if follows is not None:
            changed, copy = _copied(tree, loop)
            copy.body.append(deepcopy(follows))
            yield "return moved", title, f"{_short(follows)} inside", changed


def _return_after(tree: ast.Module, loop: ast.AST) -> ast.Return | None:
    for parent in ast.walk(tree):
        for body in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
            if isinstance(body, list) and loop in body:
                after = body[body.index(loop) + 1 :]
                return next((each for each in after if isinstance(each, ast.Return)), None)
    return None


def _shared_state(tree: ast.Module) -> Iterator[tuple[str, str, str, ast.Module]]:
    """State of an instance becomes state of its class, one attribute after another."""
    attributes = dict.fromkeys(
        node.attr
        for node in ast.walk(tree)
        if _is_of_self(node) and isinstance(node.ctx, ast.Store)
    )
    for attribute in attributes:
        changed = deepcopy(tree)
        for node in ast.walk(changed):
            if _is_of_self(node) and node.attr == attribute:
                node.value = ast.parse("type(self)", mode="eval").body
        yield "shared state", f"self.{attribute}", f"type(self).{attribute}", changed
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        arguments = function.args
        for place, default in enumerate(arguments.defaults):
            name = arguments.args[len(arguments.args) - len(arguments.defaults) + place].arg
            if not isinstance(default, ast.Constant) or default.value is None:
                changed, copy = _copied(tree, function)
                copy.args.defaults[place] = ast.Constant(10)
                yield "default", f"{name}={_short(default)}", f"{name}=10", changed


def _is_of_self(node: ast.AST) -> bool:
    is_attribute = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return is_attribute and node.value.id == "self"


def _with(node: ast.AST, **fields: object) -> ast.AST:
    copy = deepcopy(node)
    for name, value in fields.items():
        setattr(copy, name, deepcopy(value))
    return copy


def _negated(test: ast.expr) -> ast.expr:
    return test.operand if isinstance(test, ast.UnaryOp) else ast.UnaryOp(ast.Not(), test)


def _copied(tree: ast.Module, node: ast.AST) -> tuple[ast.Module, ast.AST]:
    """A copy of the tree, and in it that of the node."""
    copies: dict[int, ast.AST] = {}
    return deepcopy(tree, copies), copies[id(node)]


def _short(node: ast.AST) -> str:
    """A node in one line: of a compound statement its first."""
    text = ast.unparse(ast.fix_missing_locations(deepcopy(node))).strip()
    return text.split("\n")[0][:90]
