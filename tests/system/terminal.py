#!/usr/bin/env python3
"""terminal.py BUILD-FOLDER LOADER, in wine-run.sh: p80 -i and Ctrl-C in a terminal, typed as a person does.

Wine has a console only in a terminal. Left out are Ctrl-C and Ctrl-Z while a line is typed: Wine's console does not end
a read for them, as Windows' does."""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from typed import Terminal  # noqa: E402

build, loader = sys.argv[1], sys.argv[2]
NEVER = 30  # seconds after which what is awaited is taken to never come
CTRL_C, UP = "\x03", "\x1b[A"


class Prompt(Terminal):
    """p80 in a terminal of its own."""

    def __init__(self, *words):
        super().__init__([loader, build + "/p80.exe", *words])
        self.at = 0

    def type(self, keys):
        self.at = len(self.text)
        super().type(keys)

    def await_text(self, pattern, seconds=NEVER):
        """Waits until `pattern` is in what came since the last keys."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text[self.at:]):
            if time.monotonic() > end:
                self.fail(f"waited in vain for {pattern!r}")
            self.read(0.2)

    def enter(self, line, pattern):
        self.type(line + "\r")
        self.await_text(pattern)

    def exit_code(self, seconds=NEVER):
        code = super().exit_code(seconds)
        self.check(code is not None, "it does not end")
        return code

    def fail(self, why):
        print(f"terminal: {why}; the terminal shows:\n{self.text}", file=sys.stderr)
        sys.exit(1)

    def check(self, condition, why):
        if not condition:
            self.fail(why)


def start_repl(*words):
    t = Prompt(*words, "-i")
    t.await_text(r"p80 .*Lua 5\.4.*\n> $")
    time.sleep(0.5)  # until Wine has made the terminal a console
    return t


def test_repl():
    t = start_repl("--allow", "reg.*")
    t.enter("1 + 1", r"\n2\n> $")
    t.enter("'ü' .. '\u672c'", "\n\"ü\u672c")
    t.await_text(r"> $")
    t.enter("x = 40", r"\n> $")
    t.enter("x + 2", r"\n42\n> $")
    t.enter("for i = 1, 2 do", r"\n>> $")  # goes on in the next line
    t.enter("print('line ' .. i)", r"\n>> $")
    t.enter("end", r"\nline 1\nline 2\n> $")
    t.enter("error 'oops'", r"oops\n> $")
    t.enter("win.tcp.probe(0)", r"tcp\.probe 'port'.*integer from 1 to 65535")
    t.await_text(r"> $")
    t.enter("x + 3", r"\n43\n> $")
    t.type(UP + "\r")  # the console's own history
    t.await_text(r"\n43\n> $")
    # Ctrl-C ends what runs, not the session
    t.enter("while true do end", r"end\n")
    time.sleep(0.5)
    t.type(CTRL_C)
    t.await_text(r"nterrupted[^>]*> $", 10)
    t.enter("require 'p80'.sleep(600)", r"\n")
    time.sleep(0.5)
    t.type(CTRL_C)
    t.await_text(r"\n> $", 10)
    t.enter("x + 4", r"\n44\n> $")
    t.enter("win.reg.set([[HKCU\\Software\\p80-terminal]], 'v', 'there')", r"\ntrue\n> $")
    t.enter("os.exit(7)", r"")
    t.check(t.exit_code() == 7, "the exit code is not 7")


def test_history_of_an_earlier_session():
    t = start_repl()
    t.enter("history", r"x \+ 4(.|\n)*> $")
    t.enter("!x = 4", r"x = 40\n> $")
    t.enter("!!", r"> $")
    t.enter("x", r"\n40\n> $")
    t.enter("win.reg.get([[HKCU\\Software\\p80-terminal]], 'v')", r'"there"')
    t.enter("exit", r"")
    t.check(t.exit_code() == 0, "the exit code is not 0")


def test_ctrl_c_ends_a_script():
    for code in ("print 'begun' while true do end", "print 'begun' require 'p80'.sleep(600)"):
        t = Prompt("-e", code)
        t.await_text("begun")
        time.sleep(0.3)
        t.type(CTRL_C)
        t.check(t.exit_code() == 1, "the exit code is not 1")
        t.check("nterrupted" in t.text, "it does not say that it was interrupted")


def test_ctrl_c_is_how_a_watch_ends():
    t = Prompt("watch")
    t.await_text("Ctrl-C ends it")
    time.sleep(0.3)
    t.type(CTRL_C)
    t.check(t.exit_code() == 0, "the exit code is not 0")
    t.check("nterrupted" not in t.text, "it speaks of an interruption")


def test_a_second_ctrl_c_ends_what_catches_the_first():
    t = Prompt("-e", "print 'begun' pcall(function() while true do end end) print 'caught' while true do end")
    t.await_text("begun")
    time.sleep(0.3)
    t.type(CTRL_C)
    t.await_text("caught", 10)
    time.sleep(0.3)
    t.type(CTRL_C)
    t.exit_code()  # Windows' own, 0xC000013A; Wine's is 0


FINALLY = """
local p80, finally, retry = require "p80", require "finally", require "retry"
local _ <close> = finally(function() p80.sleep(0.5) print "outer done" end)
retry(function()
  local _ <close> = finally(function() for i = 1, 5 do p80.sleep(0.05) end print "inner done" end)
  print "begun"
  BODY
end)
"""


def test_finally_runs_to_its_end_after_ctrl_c():
    for body in ("while true do end", "p80.sleep(600)", "while true do pcall(p80.sleep, 0.01) end"):
        t = Prompt("-e", FINALLY.replace("BODY", body))
        t.await_text("begun")
        time.sleep(0.3)
        t.type(CTRL_C)
        t.check(t.exit_code() == 1, "the exit code is not 1")
        t.check(re.search("inner done\nouter done\n", t.text), "it was not cleaned up")
        t.check("nterrupted" in t.text, "it does not say that it was interrupted")


SECRETIVE = """
local args = require "p80".playbook {name = "x", version = "1.0.0", summary = "x",
  args = {key = {type = "secret", required = true, help = "the key"}}}
print("length " .. utf8.len(args.key))
error("it was " .. args.key)
"""


def test_a_secret_is_asked_for_and_never_shown():
    t = Prompt("-e", SECRETIVE)
    t.await_text(r"x: key \(the key\):")
    time.sleep(0.5)
    t.enter("", r"x: key \(the key\):")
    t.enter("pässword", r"length 8")
    t.check(t.exit_code() == 1, "the exit code is not 1")
    t.check("it was ***" in t.text, "the error is not there")
    t.check("ssword" not in t.text, "the secret is shown")


GRANTED = 'require "p80".playbook {name = "asked", version = "1.0.0", summary = "x", grants = {"scm.state:W3SVC"}}\n'


def test_install_asks_for_what_a_playbook_may_change():
    script = os.path.join(os.environ["WINEPREFIX"], "drive_c/asked.lua")
    with open(script, "w", encoding="utf-8") as file:
        file.write(GRANTED)
    for answer, code in (("", 4), ("n", 4), ("Yes", 0)):
        t = Prompt("install", "C:\\asked.lua")
        t.await_text(r"\+ may change scm.state:W3SVC(.|\n)*Install it\? \[y/N\]")
        time.sleep(0.3)
        t.type(answer + "\r")
        t.check(t.exit_code() == code, f"after {answer!r} the exit code is not {code}")
        t.check("not agreed to" in t.text or code == 0, "it does not say why")


def main():
    subprocess.run(["wineserver", "-p"], check=True)
    test_repl()
    test_history_of_an_earlier_session()
    test_ctrl_c_ends_a_script()
    test_ctrl_c_is_how_a_watch_ends()
    test_a_second_ctrl_c_ends_what_catches_the_first()
    test_finally_runs_to_its_end_after_ctrl_c()
    test_a_secret_is_asked_for_and_never_shown()
    test_install_asks_for_what_a_playbook_may_change()


main()
