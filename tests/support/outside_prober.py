"""What stands on the internet's side of virtual boxes: says of ports what a file says, ``{"443": "open", ...}``.

A list is what is said one time after the other; its last word stays.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    file, host, port, _seconds = sys.argv[1:5]
    known = json.loads(Path(file).read_text(encoding="utf-8"))
    seen = known.get(port, known.get("*", "silent"))
    if isinstance(seen, list):
        seen, *left = seen
        Path(file).write_text(json.dumps(known | {port: left or seen}), encoding="utf-8")
    sys.stdout.write(json.dumps({"seen": seen, "reason": f"{host}:{port} is {seen}", "vantage": "internet"}))
