"""What stands on the internet's side of virtual boxes: says of ports what a file says, ``{"443": "open", ...}``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    file, host, port, _seconds = sys.argv[1:5]
    known = json.loads(Path(file).read_text(encoding="utf-8"))
    seen = known.get(port, known.get("*", "silent"))
    sys.stdout.write(json.dumps({"seen": seen, "reason": f"{host}:{port} is {seen}", "vantage": "internet"}))
