"""The process that checks run in; ``supervisor`` starts it."""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

# After these nothing that a process does on the GPU can be trusted.
BROKEN = ("CUDA error", "cuDNN error", "CUBLAS", "NCCL")


def main() -> None:
    """Run the checks that the argument names and write down what comes of each, as it comes."""
    given = json.loads(sys.argv[1])
    results = Path(given["results"])

    def tell(**line: Any) -> None:
        with results.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    for name in given["checks"]:
        tell(check=name, state="begun")
        began = time.monotonic()
        state, why, details = _run(name, given["settings"])
        tell(check=name, state=state, seconds=round(time.monotonic() - began, 3), why=why, details=details)
        if state == "failed" and any(sign in why for sign in BROKEN):
            return


def _run(name: str, settings: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    try:
        from checks import CHECKS, Failed, Skipped
    except ImportError as error:
        return "failed", f"the checks can't be imported: {error}", {}
    try:
        why, details = CHECKS[name](settings)
        return "passed", why, details
    except Skipped as reason:
        return "skipped", str(reason), {}
    except Failed as found:
        return "failed", str(found), found.details
    except Exception as error:  # whatever it is, it is a finding, and the other checks go on
        where = traceback.extract_tb(error.__traceback__)[-1]
        first = (str(error).strip() or "no message").splitlines()[0]
        at = f"{Path(where.filename).name}:{where.lineno}"
        return "failed", f"{type(error).__name__} at {at}: {first}", {"traceback": traceback.format_exc()}


if __name__ == "__main__":
    main()
