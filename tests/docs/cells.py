"""The Python that runs a page's cells: JSON lines in, one JSON line with what each printed and raised out.

Run as a program. What cells define is in ``__main__``, and their text in ``linecache``, as in a notebook.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import sys
from code import InteractiveInterpreter


class Cells(InteractiveInterpreter):
    """Keeps the traceback of a cell instead of printing it."""

    error = ""

    def write(self, data: str) -> None:
        self.error += data

    def run_cell(self, text: str, name: str) -> dict[str, str]:
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        printed = io.StringIO()
        self.error = ""
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            try:
                code = compile(text, name, "exec", dont_inherit=True)
            except SyntaxError:
                self.showsyntaxerror(name)
            else:
                self.runcode(code)
        return {"printed": printed.getvalue(), "error": self.error}


if __name__ == "__main__":
    sys.path[0] = ""
    names = vars(sys.modules["__main__"])
    del names["__file__"]  # a notebook's __main__ has none
    cells = Cells(names)
    for line in sys.stdin:
        cell = json.loads(line)
        print(json.dumps(cells.run_cell(cell["text"], cell["name"])), flush=True)
