#!/usr/bin/env python3
"""pages.py BUILD-FOLDER LOADER: a new user reads the manual. The beginning of docs/playbooks.md, all of docs/sharing.md and all of
docs/startup.md are done as they say, in their order: their files are written, every command is run, and it must print what
the page says and end with the exit code that the page gives.

The prompt names the machine: C:\\work> is that of the team that writes, C:\\admin> another team's. Each is a Wine prefix with a
network of its own, which share nothing: before each command in C:\\admin the files of C:\\work, but for secret keys, are carried
there. On both there is a service Contoso on port 8080. `shutdown /r` ends everything that runs on a machine, whose services
begin again with the next program. What happens by itself is waited for: `runs`, `service status` and `report` are asked again until
they show it.

A block that begins with "only on Windows" is not run; p80's commands in it are run with --check."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from typed import Terminal  # noqa: E402

NEVER, PATIENCE = 60, 20  # seconds
PASSWORD = "geheim"
PROMPT = r"C:\\(work|admin)> (.*)"
WINDOWS_ONLY = r"(?:#|rem) only on Windows\n"
ASKED_AGAIN = ("p80 runs", "p80 service status", "p80 report")


def fail(why):
    sys.exit(f"pages: {why}")


# ---- A machine: this program, once more, within wine-run.sh ----


def run_plainly(command, folder):
    """Files rather than pipes: what Wine leaves running would hold pipes open."""
    with tempfile.TemporaryFile() as out:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=NEVER, check=False)
        out.seek(0)
        return done.returncode, out.read().decode()


def run_typing(command, folder, stop_after):
    """On a terminal, where the password is typed whenever it is asked for, and Ctrl-C when `stop_after` has been printed."""
    terminal, answered, end = Terminal(command, folder), 0, time.monotonic() + NEVER
    while not terminal.ended and time.monotonic() < end:
        if terminal.read(0.2):
            continue
        if len(re.findall(r"(?:Password|same again)[^:\n]*:", terminal.text)) > answered:  # and it is quiet
            time.sleep(0.5)  # Wine's terminal echoes until the read behind the prompt has begun
            terminal.type(PASSWORD + "\r")
            answered += 1
        elif stop_after and stop_after in terminal.text:
            terminal.type("\x03")
            stop_after = None
    return terminal.exit_code(5), terminal.text


def be_a_machine(commands, answers):
    subprocess.run(["wineserver", "-p"], check=True)
    for line in commands:
        asked = json.loads(line)
        if asked["command"] is None:
            for option in "-k", "-w", "-p":
                subprocess.run(["wineserver", option], check=False)
            answer = 0, ""
        else:
            answer = run_typing(asked["command"], asked["folder"], asked["stop_after"]) if asked["typing"] else run_plainly(
                asked["command"], asked["folder"])
        print(json.dumps([os.environ["WINEPREFIX"], *answer]), file=answers, flush=True)
    subprocess.run(["wineserver", "-k"], check=False)


class Machine:
    def __init__(self, name, build, loader):
        self.name, self.build, self.loader = name, build, loader
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(["sh", os.path.join(HERE, "../wine-run.sh"), sys.executable, os.path.abspath(__file__),
                                         str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        self.line = ours.makefile("rw", encoding="utf-8")
        ours.close()
        self.c = os.path.join(self.ask(["true"], "/")[0], "drive_c")
        self.folder = os.path.join(self.c, name)
        os.mkdir(self.folder)
        holder = f"{self.windows_path('holder.exe')} --service --tcp 8080"
        for words in ["sc.exe", "create", "Contoso", "binPath=", holder, "start=", "auto"], ["net.exe", "start", "Contoso"]:
            code, out = self.run([loader, *words])
            if code != 0:
                fail(f"{words}: {code}\n{out}")

    def windows_path(self, name):
        return "Z:" + os.path.join(self.build, name).replace("/", "\\")

    def ask(self, command, folder, typing=False, stop_after=None):
        asked = {"command": command, "folder": folder, "typing": typing, "stop_after": stop_after}
        print(json.dumps(asked), file=self.line, flush=True)
        return json.loads(self.line.readline())

    def run(self, command, *how):
        return self.ask(command, self.folder, *how)[1:]

    def do(self, text, *how):
        """A command as it stands on the page -> exit code, what it prints."""
        program, *words = [word.replace('"', "") for word in shlex.split(text, posix=False)]
        if program == "p80":
            return self.run([self.loader, os.path.join(self.build, "p80.exe"), *words], *how)
        if program == "minisign":
            return self.run([program, *words])
        if program == "net":
            return self.run([self.loader, "net.exe", *words])
        if text == "shutdown /r /t 0":
            return self.ask(None, None)[1:]
        return fail(f"nobody knows how to run: {text}")

    def end(self):
        self.line.close()
        self.process.wait(NEVER)


# ---- What the pages say ----


def blocks(page, until=None):
    """The blocks of code of a page: language, text."""
    with open(os.path.join(HERE, "../../docs", page), encoding="utf-8") as file:
        text = file.read()
    text = text[: text.index(until)] if until else text
    return re.findall(r"^```(\w*)\n(.*?)\n```$", text, re.S | re.M)


def commands(text):
    """The commands of a block: {machine, command, lines, code}."""
    found = []
    for line in text.split("\n"):
        prompt, code = re.fullmatch(PROMPT, line), re.fullmatch(r"\(exit code (\d+)\)", line)
        if prompt:
            found.append({"machine": prompt[1], "command": prompt[2], "lines": [], "code": 0})
        elif not found:
            fail(f"nothing runs this block:\n{text}")
        elif code:
            found[-1]["code"] = int(code[1])
        else:
            found[-1]["lines"].append(line)
    return found


def missing(lines, text):
    """The first of the lines that the text does not have behind those before it. Blanks do not count; "..." is anything; output
    and errors may be mixed, so a line that stands before the others has another try."""
    printed = [" ".join(line.split()) for line in text.split("\n")]
    at = 0
    for line in lines:
        parts = [" ".join(part.split()) for part in line.split("...")]
        pattern = re.compile(".*".join(re.escape(part) for part in parts))
        here = next((i for i in range(at, len(printed)) if pattern.search(printed[i])), None)
        if here is None:
            return line
        at = here + 1 if line.strip() != "..." else at
    return None


def how_to_type(lines):
    """Whether somebody must type, and what is printed before Ctrl-C is typed."""
    if "^C" in lines:
        return True, lines[lines.index("^C") - 1]
    return any("Password" in line for line in lines), None


class Reader:
    """Does what pages say."""

    def __init__(self, build, loader):
        self.machines = {name: Machine(name, build, loader) for name in ("work", "admin")}
        self.ran = self.only_on_windows = 0

    def carry(self):
        work, admin = self.machines["work"].folder, self.machines["admin"].folder
        signed = [name for name in ("quiet.lua", "quiet.lua.minisig") if os.path.exists(os.path.join(work, name))]
        with zipfile.ZipFile(os.path.join(work, "quiet.zip"), "w") as archive:  # Compress-Archive is Windows' own
            for name in signed:
                archive.write(os.path.join(work, name), name)
        for name in os.listdir(work):
            if os.path.isfile(os.path.join(work, name)) and not name.endswith(".key"):
                shutil.copyfile(os.path.join(work, name), os.path.join(admin, name))

    def do(self, one):
        machine = self.machines[one["machine"]]
        if machine.name == "admin":
            self.carry()
        end = time.monotonic() + PATIENCE
        while True:
            code, out = machine.do(one["command"], *how_to_type(one["lines"]))
            lacks = missing([line for line in one["lines"] if line != "^C"], out)
            if code == one["code"] and lacks is None:
                break
            if not one["command"].startswith(ASKED_AGAIN) or time.monotonic() > end:
                fail(f"{one['command']}: exit code {code}, {one['code']} expected; '{lacks}' is not (there) in\n{out}")
            time.sleep(0.2)
        if not one["lines"] and machine.name == "work" and out:
            fail(f"{one['command']}: the page does not say that it prints\n{out}")
        self.ran += 1

    def only_check(self, text):
        for command in text.split("\n"):
            program = command.split()[0].split("\\")[-1]
            if program in ("p80", "p80.exe"):
                code, out = self.machines["admin"].do("p80 --check" + command[len(command.split()[0]):])
                if code not in (0, 3):
                    fail(f"{command}: {code}\n{out}")
        self.only_on_windows += 1

    def write(self, text):
        name = re.match(r"-- ([\w\\]+\.lua)", text)[1].replace("\\", "/")
        path = os.path.join(self.machines["work"].folder, name)
        other = text.startswith(f"-- {name}: other lines\n")
        if other:
            with open(path, encoding="utf-8") as file:
                whole = file.read()
            for line in text.split("\n")[1:]:
                field = re.match(r" *\w+ = ", line)[0]
                whole, times = re.subn(f"^{field}.*$", lambda _, line=line: line, whole, flags=re.M)
                if times != 1:
                    fail(f"{name} has {times} lines {field}")
            text = whole
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")

    def write_policy(self, text):
        work, admin = self.machines["work"], self.machines["admin"]
        with open(os.path.join(work.folder, "webteam.pub"), encoding="utf-8") as file:
            key = file.read().split("\n")[1].strip()
        text, times = re.subn('"RW[^"]*"', f'"{key}"', text)
        if times != 1:
            fail("the policy has no key")
        with open(os.path.join(admin.c, "ProgramData/p80/policy.json"), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, page, until=None):
        for language, text in blocks(page, until):
            if re.match(WINDOWS_ONLY, text):
                self.only_check(re.sub(WINDOWS_ONLY, "", text))
            elif language == "lua":
                self.write(text)
            elif language == "json":
                self.write_policy(text)
            elif language == "":
                for one in commands(text):
                    self.do(one)
            else:
                fail(f"{page}: nothing runs a block of {language}")


def main():
    if len(sys.argv) == 2:
        os.set_inheritable(int(sys.argv[1]), False)
        line = socket.socket(fileno=int(sys.argv[1])).makefile("rw", encoding="utf-8")
        return be_a_machine(line, line)
    reader = Reader(os.path.abspath(sys.argv[1]), sys.argv[2])
    reader.read("playbooks.md", until="\n## The manifest")
    reader.write(next(text for _, text in blocks("playbooks.md") if text.startswith("-- helpers.lua")))
    for page in "sharing.md", "startup.md":
        before = reader.ran
        reader.read(page)
        if reader.ran - before < 10:
            fail(f"{page} has {reader.ran - before} commands")
    if reader.only_on_windows != 4:
        fail(f"{reader.only_on_windows} blocks are only for Windows")
    for machine in reader.machines.values():
        machine.end()


main()
