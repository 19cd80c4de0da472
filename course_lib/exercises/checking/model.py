"""The shapes of an exercise's public half: each file of a chapter's folder makes one ``Exercise``."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

#: One test case: plain data and tensors under string keys (what ``wire`` can carry). ``asks`` holds
#: the names of the aspects that it is about; a case without it asks for every aspect.
Case = Mapping[str, Any]
#: Of one packed message, such as an observation. It stands here because this module imports no torch.
MAX_BYTES = 16 * 2**20


@dataclass
class Notes:
    """What a driver writes down while it runs the learner's code on one case.

    ``values`` are outcomes under field names, of which only the exercise's own are taken; ``events`` are the letters of the beats in the order
    they happened ("FLZBS"). Both survive an exception: what happened before it is still known.
    """

    values: dict[str, Any] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    fields: tuple[str, ...] = ()

    def __setitem__(self, name: str, value: Any) -> None:
        if self.fields and name not in self.fields:
            raise UnknownField(f"the driver writes {name!r}, which is not among the fields")
        self.values[name] = value


class UnknownField(BaseException):
    """A mistake in an exercise's driver; not an ``Exception``, so that it is not taken for the learner's."""


@dataclass(frozen=True)
class ErrorNote:
    """An exception of the learner's code: its type, its message, the learner's line that raised."""

    type: str
    message: str
    line: str = ""

    @property
    def is_stub(self) -> bool:
        """Whether this is the untouched stub. PyTorch raises ``NotImplementedError`` too, for an
        operator that a dtype does not have; then somebody has written something."""
        return self.type == "NotImplementedError" and (
            not self.message or self.message.lower().startswith("write ")
        )

    @property
    def is_refusal(self) -> bool:
        """Whether the code called what its exercise bans: the checker raised, and not the code."""
        return self.type == "ForbiddenCall"


@dataclass(frozen=True)
class Observation:
    """What happened when the learner's code met one case. ``values`` holds the driver's fields."""

    values: Mapping[str, Any]
    events: tuple[str, ...] = ()
    error: ErrorNote | None = None

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)


@dataclass(frozen=True)
class Aspect:
    """A part of the exercise that earns points of its own.

    ``fields`` are the observation's values and facts that must equal the reference's on every case
    that asks for the aspect. ``after`` names aspects that must be right first: side conditions earn
    nothing for doing nothing.
    """

    name: str
    text: str
    points: float
    fields: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One line of a check's answer. ``text`` states what is so in a right solution; ``got`` says
    what was seen instead ("yours is a Tensor"), and is shown only when it is not."""

    ok: bool
    text: str
    got: str = ""


@dataclass(frozen=True)
class Exercise:
    """The public half of one exercise.

    ``observe(subject, case, notes)`` calls the learner's code and writes down raw values under the
    names in ``fields``; ``subject`` is the function or class named in ``subjects`` (a tuple of them
    when there are several). ``facts(case, observation)`` says once what those values mean, under
    further names (``derived``); the check's lines, the aspects and the recognition of mistakes all
    read values and facts from the same observation. ``public_cases()`` and
    ``properties(case, observation)`` serve ``check(...)``: the properties must hold for every right
    answer and are written without a solution. ``forbidden`` are the built-ins that the exercise
    builds (see ``forbid``). ``allowed_orders`` are legitimate sequences of beats of one
    batch ("FLZBS"), shown beside the learner's own.
    """

    name: str
    points: int
    task: str
    aspects: tuple[Aspect, ...]
    hints: tuple[str, str]
    observe: Callable[[Any, Case, Notes], None]
    public_cases: Callable[[], list[Case]]
    properties: Callable[[Case, Observation], Iterable[Finding]]
    forbidden: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    allowed_orders: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    facts: Callable[[Case, Observation], Mapping[str, Any]] | None = None
    derived: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.subjects:
            object.__setattr__(self, "subjects", (self.name,))
        total = sum(aspect.points for aspect in self.aspects)
        if abs(total - self.points) > 1e-9:
            raise ValueError(f"{self.name}: aspects add up to {total}, not to {self.points} points")
        names = [aspect.name for aspect in self.aspects]
        self.check_aspects(after for aspect in self.aspects for after in aspect.after)
        if len(set(names)) < len(names):
            raise ValueError(f"{self.name}: two aspects have the same name")
        self.check_fields(name for aspect in self.aspects for name in aspect.fields)

    def check_aspects(self, names: Iterable[str]) -> None:
        """``ValueError`` where a name is not one of an aspect."""
        unknown = set(names) - {aspect.name for aspect in self.aspects}
        if unknown:
            raise ValueError(f"{self.name}: there is no aspect {', '.join(sorted(unknown))}")

    def check_fields(self, names: Iterable[str]) -> None:
        """``ValueError`` where a name is neither a field nor a derived fact."""
        unknown = set(names) - {*self.fields, *self.derived}
        if self.fields and unknown:
            raise ValueError(f"{self.name}: there is no field {', '.join(sorted(unknown))}")

    def read(self, case: Case, observation: Observation) -> Observation:
        """The observation with the facts among its values.

        Facts are computed from whatever a learner's process sent: where that fails they are left
        out, and so equal to nothing.
        """
        if self.facts is None:
            return observation
        values = {k: v for k, v in observation.values.items() if k not in self.derived}
        with suppress(Exception):
            values |= self.facts(case, observation)
        return replace(observation, values=values)
