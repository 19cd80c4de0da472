"""``python -m tests.seeded_faults``: are the tests worth anything?

Puts each fault of the list into a copy of the repository, one after another, and runs the tests that
are named beside it: they have to turn red. Before that they have to be green. The exit status is 0 when
every fault was caught.
"""

import argparse
import sys

from tests.seeded_faults.faults import FAMILIES, FAULTS
from tests.seeded_faults.run import Unusable, faulty, find_tests, results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.seeded_faults", description=__doc__)
    parser.add_argument("--list", action="store_true", help="show the faults and run nothing")
    parser.add_argument("--only", metavar="TEXT", help="only faults with this text in their name")
    parser.add_argument("--family", choices=sorted(FAMILIES), help="only faults of this family")
    options = parser.parse_args()
    chosen = tuple(
        fault
        for fault in FAULTS
        if (options.only or "") in fault.name and options.family in (None, fault.family)
    )
    if not chosen:
        parser.error("no fault is called so")
    try:
        for fault in chosen:  # before minutes are spent
            faulty(fault)
            find_tests(FAMILIES[fault.family])
    except Unusable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.list:
        for fault in chosen:
            print(f"{fault.family:<22} {fault.name} ({fault.file})")
        return 0
    missed = 0
    for number, result in enumerate(results(chosen), 1):
        missed += not result.caught
        word, rest = ("caught", result.by) if result.caught else ("MISSED", result.reason)
        name = f"{result.fault.family}: {result.fault.name}"
        print(
            f"{number:>2}/{len(chosen)} {word} {result.seconds:5.0f} s  {name}  [{rest}]",
            flush=True,
        )
    print(f"{len(chosen) - missed} of {len(chosen)} faults caught")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
