"""`python -m benchmarks [NAME...]`: run some or all benchmarks and print their figures."""

import importlib
import os
import pkgutil
import sys

import benchmarks


def main(names: list[str]) -> int:
    known = sorted(
        found.name for found in pkgutil.iter_modules(benchmarks.__path__) if found.name[0] != "_"
    )
    if unknown := set(names) - set(known):
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return 2
    # A peer comes compiled by pip; without this, ours would be compiled anew in every process.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in names or known:
        print(f"\n## {name}\n")
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
