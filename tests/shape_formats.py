"""
The texts of assets/azure/shapes that fault_say() prints are formats no compiler
sees.  This puts each where its name is used, so that one does.

	python3 shape_formats.py SRCDIR TO

Writes the emulator's sources to TO, for gcc -fsyntax-only -Wformat.  Prints how
many texts it has put in.
"""
import pathlib
import re
import sys

src, to = map(pathlib.Path, sys.argv[1:])
shapes = {}
for block in (src / "assets/azure/shapes").read_text().split("\n\n"):
    name, _, text = block.strip("\n").partition("\n")
    shapes[name] = text
(to / "emulator").mkdir(parents=True)
put = 0


def text_of(match):
    global put
    put += 1
    text = shapes[match[2]].replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'{match[1]}"{text}"'


for file in (src / "emulator").iterdir():
    text = file.read_text()
    if file.suffix == ".c":
        text = re.sub(r'(fault_say\([^;"]*?,\s*\d+,\s*)"([^"]*)"', text_of, text)
    else:
        text = re.sub(r"(int fault_say\([^;]*\)) __attribute__\(\(cold\)\);",
                      r"\1 __attribute__((format(printf, 3, 4)));", text)
    (to / "emulator" / file.name).write_text(text)
print(put)
