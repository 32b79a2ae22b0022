#!/usr/bin/env python3
"""check-program.py FILE -- is this p80.exe one small static program?

It must be under 1 MiB and import from kernel32 and msvcrt alone: everything else it finds at run time, so that it
starts quickly and needs no DLL beside it.
"""
import os
import re
import subprocess
import sys

LARGEST = 1 << 20
ALLOWED = {"kernel32.dll", "msvcrt.dll"}

path = sys.argv[1]
faults = []
size = os.path.getsize(path)
if size >= LARGEST:
    faults.append(f"{size} bytes; the limit is {LARGEST}")
text = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", path], capture_output=True, text=True, check=False).stdout
if not text:
    text = subprocess.run(["i686-w64-mingw32-objdump", "-p", path], capture_output=True, text=True, check=True).stdout
imported = {name.lower() for name in re.findall(r"DLL Name: (\S+)", text)}
if not imported:
    faults.append("no imports found; is it a program?")
faults += [f"imports from {name}" for name in sorted(imported - ALLOWED)]
for fault in faults:
    print(f"{path}: {fault}")
print(f"{path}: {size} bytes, imports from {', '.join(sorted(imported))}")
sys.exit(1 if faults else 0)
