"""bundle.py LIST FOLDER LUA: packs the Lua files of the program as its resources.

LIST has a line "type name path" for each file. FOLDER gets bundle.rc and a packed file for each type: the length of all
its text and the number of its files (4 bytes each, little-endian); for each file, by name, its length (4 bytes) and its
name, which a zero byte ends; then the text of all of them as one stream of deflate (RFC 1951). Types of which most runs
need little have their rest in a packed file of its own; what they do need goes in compiled, by the program LUA, which
runs on this machine: its code is the same for all that p80 runs on. Of the rest, what nobody reads in the program goes
in without comments and indentation; its lines stay where they are.

A page (.html) becomes a Lua file that returns its text. The hashes by which its Content-Security-Policy allows its own
style and script stand there as sha256-STYLE and sha256-SCRIPT (https://www.w3.org/TR/CSP3/#match-element-to-source-list).
"""
import base64
import hashlib
import os
import re
import struct
import subprocess
import sys
import zlib

PRECOMPILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "precompile.lua")

NEEDED_OFTEN = {  # by a run that changes something, such as that of free80
    "core": """init arguments codes data gate grants journal kinds manifest playbook policy result scm secrets types""",
    "win": "check endpoints host http http_netsh http_products http_url iis process scm tcp",
    "lib": "dkjson p80 ports",
}
PART = re.compile(rb"""
    (?P<comment> --(?: \[(?P<c>=*)\[ .*? \](?P=c)\] | [^\n]* ))
  | \[(?P<s>=*)\[ .*? \](?P=s)\] | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
  | (?P<break> [ \t]*\n[ \t]* )""", re.S | re.X)


def lean(text):
    def of(part):
        if part["comment"] is not None:
            return b"\n" * part["comment"].count(b"\n")
        return part[0] if part["break"] is None else b"\n"
    return PART.sub(of, text)


def page_as_lua(data):
    data = re.sub(rb"(?m)^ +", b"", data.replace(b"\r\n", b"\n"))
    for tag in (b"style", b"script"):
        content = re.search(b"<%s>(.*?)</%s>" % (tag, tag), data, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content).digest())
        data = data.replace(b"sha256-" + tag.upper(), b"sha256-" + digest)
    return b"return [==[\n" + data + b"]==]\n"


def compiled(kind, name, path, folder, lua):
    code = f"{folder}/{kind}.{name}.luac"
    subprocess.run([lua, PRECOMPILE, f"p80:{kind}/{name}.lua", path, code], check=True)
    with open(code, "rb") as file:
        return file.read()


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return packer.compress(data) + packer.flush()


def pack(files):
    text = b"".join(data for _, data in files)
    index = b"".join(struct.pack("<I", len(data)) + name.encode() + b"\0" for name, data in files)
    return struct.pack("<II", len(text), len(files)) + index + deflate(text)


def write_changed(path, data):
    if not os.path.exists(path) or open(path, "rb").read() != data:
        with open(path, "wb") as file:
            file.write(data)


def main(list_path, folder, lua):
    os.makedirs(folder, exist_ok=True)
    types = {}
    with open(list_path, encoding="utf-8") as file:
        entries = sorted(line.split(" ", 2) for line in file.read().splitlines())
    for kind, name, path in entries:
        with open(path, "rb") as file:
            data = file.read()
        is_rest = kind in NEEDED_OFTEN and name not in NEEDED_OFTEN[kind].split()
        if path.endswith(".html"):
            data = page_as_lua(data)
        elif kind in NEEDED_OFTEN:
            data = lean(data) if is_rest else compiled(kind, name, path, folder, lua)
        types.setdefault(kind + "_rest" if is_rest else kind, []).append((name, data))
    for kind, names in NEEDED_OFTEN.items():
        assert set(names.split()) == {name for name, _ in types[kind]}, kind
    for kind, files in types.items():
        write_changed(f"{folder}/{kind}.bin", pack(files))
    with open(f"{folder}/bundle.rc", "w", encoding="utf-8") as file:
        file.writelines(f'{kind} bundle "{folder}/{kind}.bin"\n' for kind in types)


main(*sys.argv[1:])
