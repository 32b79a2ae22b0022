"""bundle.py LIST FOLDER: packs the Lua files of the program as its resources.

LIST has a line "resource-type name path" for each file. FOLDER gets bundle.rc and a packed file for each: the length
of the text (4 bytes, little-endian), then the text in the LZNT1 format, which every Windows unpacks with
RtlDecompressBuffer (https://learn.microsoft.com/openspecs/windows_protocols/ms-xca/, 2.5). What nobody reads in the
program goes in without comments and indentation; its lines stay where they are.
"""
import os
import re
import struct
import sys

CHUNK = 4096
SHORTEST = 3
CANDIDATES = 64  # places that are tried for the longest match
READ_BY_PEOPLE = ("script", "api")
PART = re.compile(rb"""
    (?P<comment> --(?: \[(?P<c>=*)\[ .*? \](?P=c)\] | [^\n]* ))
  | \[(?P<s>=*)\[ .*? \](?P=s)\] | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
  | (?P<break> [ \t]*\n[ \t]* )""", re.S | re.X)


def shift_at(position):
    """How many bits of a match's word are its length, `position` bytes into a chunk."""
    shift = 12
    while position - 1 >= 1 << (16 - shift):
        shift -= 1
    return shift


def longest_match(data, position, places):
    shift = shift_at(position)
    most = min((1 << shift) - 1 + SHORTEST, len(data) - position)
    best, found = 0, 0
    for place in reversed(places.get(data[position:position + SHORTEST], [])[-CANDIDATES:]):
        length = SHORTEST
        while length < most and data[place + length] == data[position + length]:
            length += 1
        if length > best:
            best, found = length, place
    if best < SHORTEST or most < SHORTEST:
        return 1, None
    return best, struct.pack("<H", (position - found - 1) << shift | best - SHORTEST)


def pack_chunk(data):
    packed, places, position = bytearray(), {}, 0
    while position < len(data):
        flags, tokens = 0, bytearray()
        for bit in range(8):
            if position == len(data):
                break
            length, token = longest_match(data, position, places) if position else (1, None)
            flags |= (token is not None) << bit
            tokens += token or data[position:position + 1]
            for place in range(position, position + length):
                places.setdefault(data[place:place + SHORTEST], []).append(place)
            position += length
        packed.append(flags)
        packed += tokens
    if len(packed) >= len(data):
        return struct.pack("<H", 0x3000 | len(data) - 1) + data
    return struct.pack("<H", 0xB000 | len(packed) - 1) + packed


def pack(data):
    chunks = (data[i:i + CHUNK] for i in range(0, len(data), CHUNK))
    return struct.pack("<I", len(data)) + b"".join(map(pack_chunk, chunks))


def lean(text):
    def of(part):
        if part["comment"] is not None:
            return b"\n" * part["comment"].count(b"\n")
        return part[0] if part["break"] is None else b"\n"
    return PART.sub(of, text)


def write_changed(path, data):
    if not os.path.exists(path) or open(path, "rb").read() != data:
        with open(path, "wb") as file:
            file.write(data)


def main(list_path, folder):
    os.makedirs(folder, exist_ok=True)
    lines = []
    with open(list_path, encoding="utf-8") as file:
        entries = [line.split(" ", 2) for line in file.read().splitlines()]
    for kind, name, path in entries:
        with open(path, "rb") as file:
            text = file.read()
        packed = pack(text if kind in READ_BY_PEOPLE else lean(text))
        target = f"{folder}/{kind}.{name}.bin"
        write_changed(target, packed)
        lines.append(f'{name} {kind} "{target}"\n')
    with open(f"{folder}/bundle.rc", "w", encoding="utf-8") as file:
        file.writelines(lines)


main(*sys.argv[1:])
