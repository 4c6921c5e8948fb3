"""How good calibration is, in one command: ``python tests/benchmarks/calibration.py [synthetic|field|real] [...]``.

Without a name all parts run, each with its own defaults; ``--help`` after a name tells what it prints and takes.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

PARTS = ("synthetic", "field", "real")


def main(arguments: list[str]) -> None:
    chosen, rest = PARTS, arguments
    if arguments and not arguments[0].startswith("-"):
        if arguments[0] not in PARTS:
            raise SystemExit(f"there is no part {arguments[0]!r}: give {', '.join(PARTS)}")
        chosen, rest = arguments[:1], arguments[1:]
    elif arguments:
        raise SystemExit(__doc__)
    for part in chosen:
        path = Path(__file__).with_name(f"calibration_{part}.py")
        if not path.is_file():
            print(f"--- {part}: is not here")
            continue
        print(f"--- {part}")
        spec = importlib.util.spec_from_file_location(f"calibration_{part}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        module.main(list(rest))


if __name__ == "__main__":
    main(sys.argv[1:])
