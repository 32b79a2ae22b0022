#!/usr/bin/env python3
"""sharing.py BUILD-FOLDER LOADER, in wine-run.sh: signed scripts under a policy, as two teams and a machine have them.

Debian's minisign runs natively beside p80: each makes keys and signs, the other checks. Files and folders that everybody may
write, and links, are real ones: Wine shows the modes of files here as access lists."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from typed import Terminal  # noqa: E402

build, loader = sys.argv[1], sys.argv[2]
C = os.path.join(os.environ["WINEPREFIX"], "drive_c")
STATE = os.path.join(C, "ProgramData", "p80")
SCRIPT = """local p80 = require "p80"
local helper = require [[parts.helper]]
p80.playbook {name = "web", version = "1.2.0", summary = "Sets a value", grants = {"reg.value", "reg.key"}}
win.reg.set([[HKLM\\SOFTWARE\\Sharing\\]] .. helper.key, "x", 1)
print "ran"
"""
HELPER = 'return {key = "A"}\n'
folders = 0
began = time.monotonic()


def fail(why):
    print(f"sharing: {why}", file=sys.stderr)
    sys.exit(1)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", newline="") as file:
        file.write(text)


def new_folder():
    """A folder of its own with the playbook and its module; p80 runs in it."""
    global folders
    folders += 1
    folder = os.path.join(C, f"work{folders}")
    write(os.path.join(folder, "web.lua"), SCRIPT)
    write(os.path.join(folder, "parts", "helper.lua"), HELPER)
    os.chdir(folder)


def note(what):
    print(f"sharing: {what} ({time.monotonic() - began:.0f} s)", flush=True)


def p80(*words, code=0, says=None, never=None, stdin=""):
    run = subprocess.run([loader, build + "/p80.exe", *words], input=stdin, capture_output=True, text=True, timeout=60)
    said = run.stdout + run.stderr
    if run.returncode != code or says and says not in said or never and never in said:
        fail(f"p80 {' '.join(words)}: exit code {run.returncode} ({code} expected, and {says!r})\n{run.stdout}{run.stderr}")
    return run.stdout


def minisign(*words, code=0, stdin=""):
    run = subprocess.run(["minisign", *words], input=stdin, capture_output=True, text=True, timeout=60)
    if (run.returncode == 0) != (code == 0):
        fail(f"minisign {' '.join(words)}: exit code {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout


def typed(answers, *command):
    """Runs a command in a terminal and types an answer to each prompt -> what it showed, its exit code."""
    terminal, waiting, end = Terminal(command), list(answers), time.monotonic() + 40
    while not terminal.ended and time.monotonic() < end:
        terminal.read(0.2)
        if waiting and re.search(waiting[0][0], terminal.text):
            time.sleep(0.7)  # Wine's terminal echoes until the read behind the prompt has begun
            terminal.type(waiting.pop(0)[1])
    code = terminal.exit_code(5)
    if code is None:
        fail(f"{' '.join(command)} does not end; the terminal shows\n{terminal.text}")
    return terminal.text, code


def set_policy(text):
    if text is None:
        os.remove(os.path.join(STATE, "policy.json"))
    else:
        write(os.path.join(STATE, "policy.json"), text)


def check_both_ways():
    """Keys and signatures of each program are good for the other."""
    new_folder()
    minisign("-G", "-W", "-p", "m.pub", "-s", "m.key")
    minisign("-S", "-s", "m.key", "-m", "web.lua", "parts/helper.lua")
    p80("verify", "web.lua", "parts\\helper.lua", "--key", "m.pub", says="file:web.lua")
    minisign("-S", "-l", "-s", "m.key", "-t", "by hand", "-m", "web.lua")
    p80("verify", "web.lua", "--key", "m.pub", says="by hand")
    p80("sign", "web.lua", "--key", "m.key", says="Signed C:\\work1\\parts\\helper.lua")
    for name in ("web.lua", "parts/helper.lua"):
        shown = minisign("-V", "-p", "m.pub", "-m", name)
        if "playbook:web\tversion:1.2.0" not in shown:
            fail(shown)
    p80("sign", "--generate", "--no-password", "--key", "p.key", "--public", "p.pub")
    p80("sign", "--generate", "--no-password", "--key", "p.key", "--public", "q.pub", code=1, says="not written over")
    p80("sign", "web.lua", "--key", "p.key")
    minisign("-V", "-p", "p.pub", "-m", "web.lua")
    minisign("-S", "-W", "-s", "p.key", "-m", "web.lua")
    p80("verify", "web.lua", "--key", open("p.pub").read().split("\n")[1])
    p80("verify", "web.lua", "--key", "m.pub", code=4, says="not trusted here")
    minisign("-V", "-p", "m.pub", "-m", "web.lua", code=1)
    if os.stat("p.key").st_mode & 0o077 & ~0o050:
        fail("others may read the secret key")


def check_computed():
    """p80 sign says which modules it cannot find, and signs all the same."""
    write(os.path.abspath("maybe.lua"), 'local name = "parts." .. arg[1]\nlocal part = require(name)\nprint(part.key, require [[parts.helper]].key)\n')
    p80("sign", "maybe.lua", "--key", "p.key", says="warning: C:\\work1\\maybe.lua:2: Which module this requires cannot be told")
    p80("verify", "maybe.lua", "parts\\helper.lua", "--key", "p.pub")
    p80("sign", "web.lua", "maybe.lua", "--key", "p.key", says="version:1.2.0\tmodule:maybe.lua")
    p80("verify", "parts\\helper.lua", "--key", "p.pub", says="module:parts/helper.lua")
    write(os.path.abspath("sure.lua"), "return require [[parts.helper]] -- we require no other")
    p80("sign", "sure.lua", "--key", "p.key", never="warning")


def check_spoilt():
    """What minisign refuses, p80 refuses."""
    good = open("web.lua.minisig").read()
    lines = good.split("\n")
    for name, text, script in (
        ("text", good, SCRIPT.replace("1)", "2)")), ("line ends", good, SCRIPT.replace("\n", "\r\n")), ("empty", "", SCRIPT),
        ("comment", good.replace("timestamp:", "timestamp:9"), SCRIPT), ("truncated", good[:150], SCRIPT), ("junk", "junk\n" * 4, SCRIPT),
        ("other signature", good.replace(lines[1], lines[1][:60] + "AAAA" + lines[1][64:]), SCRIPT),
        ("key id", good.replace(lines[1], lines[1][:4] + "AAAA" + lines[1][8:]), SCRIPT),
    ):
        write(os.path.abspath("web.lua.minisig"), text)
        write(os.path.abspath("web.lua"), script)
        minisign("-V", "-p", "p.pub", "-m", "web.lua", code=1)
        p80("verify", "web.lua", "--key", "p.pub", code=4)
    write(os.path.abspath("web.lua"), SCRIPT)
    write(os.path.abspath("web.lua.minisig"), good.replace("\n", "\r\n"))
    p80("verify", "web.lua", "--key", "p.pub")


def check_passwords():
    """Keys with a password, which is typed and does not show."""
    shown, code = typed([("Password of the new key", "geheim ü\r"), ("same again", "geheim ü\r")],
                        loader, build + "/p80.exe", "sign", "--generate", "--key", "l.key", "--public", "l.pub")
    if code != 0 or "geheim" in shown:
        fail(f"--generate with a password: {code}\n{shown}")
    shown, code = typed([("Password of l.key", "geheim ü\r")], loader, build + "/p80.exe", "sign", "web.lua", "--key", "l.key")
    if code != 0 or "geheim" in shown:
        fail(f"sign with a password: {code}\n{shown}")
    minisign("-V", "-p", "l.pub", "-m", "web.lua")
    shown, code = typed([("Password", "geheim ü\r")], "minisign", "-S", "-s", "l.key", "-m", "web.lua")
    if code != 0:
        fail(f"minisign with p80's key: {code}\n{shown}")
    p80("verify", "web.lua", "--key", "l.pub")
    shown, code = typed([("Password", "wrong\r")], loader, build + "/p80.exe", "sign", "web.lua", "--key", "l.key")
    if code == 0 or "the password is wrong" not in shown:
        fail(f"a wrong password: {code}\n{shown}")
    shown, code = typed([("new key", "a\r"), ("again", "b\r")], loader, build + "/p80.exe", "sign", "--generate", "--key", "n.key")
    if code == 0 or "the two passwords differ" not in shown or os.path.exists("n.key"):
        fail(f"two passwords: {code}\n{shown}")


def check_minisigns_password():
    """minisign's own keys take 1 GiB for the password: a 64-bit p80 has it."""
    if not build.endswith("x64"):
        return
    shown, code = typed([("Password: ", "pw\r"), (r"\(one more time\)", "pw\r")], "minisign", "-G", "-p", "g.pub", "-s", "g.key")
    if code != 0:
        fail(f"minisign -G: {code}\n{shown}")
    shown, code = typed([("Password of g.key", "pw\r")], loader, build + "/p80.exe", "sign", "web.lua", "--key", "g.key")
    if code != 0:
        fail(f"sign with minisign's key: {code}\n{shown}")
    minisign("-V", "-p", "g.pub", "-m", "web.lua")


def check_policy():
    """One team's playbook on the machine of another."""
    new_folder()
    p80("sign", "--generate", "--no-password", "--key", "a.key", "--public", "a.pub")
    p80("sign", "web.lua", "--key", "a.key")
    p80("--check", "policy", "init", code=3)
    p80("policy", "init")
    p80("policy", "init", code=1, says="has a policy")
    p80("policy", "trust", "a.pub", "--name", "Web team", "--grant", "reg.*", says="Web team")
    p80("policy", "trust", "a.pub", says="trusted already")
    p80("policy", says="Web team")
    p80("policy", "web.lua", says='keys[1].grants[1] "reg.*" allows it')
    report = json.loads(p80("--json", "policy", "web.lua"))["result"]
    if not report["runs"] or [row["verdict"] for row in report["grants"]] != ["allowed", "allowed"]:
        fail(report)
    if json.loads(p80("policy", "--json"))["result"]["keys"][0]["name"] != "Web team":
        fail("p80 policy --json")
    p80("web.lua", says="ran")
    p80("undo")
    key = open("a.pub").read().split("\n")[1]
    keys = f'"keys":[{{"name":"Web team","key":"{key}","grants":["reg.*"]}}]'
    set_policy(f'{{"policy":1,"signatures":"elevated","typed":false,{keys}}}')
    p80("web.lua", says="ran")
    p80("-e", "print(1)", code=4, says="lets nothing run that is typed")
    p80("-", code=4, stdin="print(1)")
    write(os.path.abspath("plain.lua"), "print 'plain'")
    p80("plain.lua", code=4, says="There is no signature beside it")
    p80("help", "plain.lua", code=4, says="There is no signature")
    p80("--check", "free80.lua", "--port", "81")
    write(os.path.abspath("parts/helper.lua"), HELPER.replace("A", "B"))
    p80("web.lua", code=4, says="It is not what was signed")
    p80("sign", "parts\\helper.lua", "--key", "a.key")
    p80("web.lua", code=4, says="but the script as playbook 'web'")
    p80("sign", "web.lua", "--key", "a.key")
    p80("web.lua", says="ran")
    os.makedirs("other")
    for end in ("", ".minisig"):
        shutil.copy(f"parts/helper.lua{end}", f"other/helper.lua{end}")
    write(os.path.abspath("loads.lua"), SCRIPT.replace("parts.", "other."))
    p80("sign", "loads.lua", "--key", "a.key", says="module:other/helper.lua")
    for end in ("", ".minisig"):
        shutil.copy(f"parts/helper.lua{end}", f"other/helper.lua{end}")
    p80("loads.lua", code=4, says="It was signed as 'parts/helper.lua', but it lies beside the script as 'other/helper.lua'")
    write(os.path.abspath("loads.lua"), "dofile 'plain.lua'")
    p80("sign", "loads.lua", "--key", "a.key")
    p80("loads.lua", code=4, says="There is no signature beside it")
    p80("undo", says="taken back")
    set_policy(f'{{"policy":1,"deny":["reg.value:HKLM\\\\SOFTWARE\\\\Sharing\\\\*"],{keys}}}')

    p80("--allow", "*", "web.lua", code=4, says='deny[1] "reg.value:HKLM')
    p80("policy", "web.lua", says="denies some of it")
    set_policy('{"policy":1,"signature":"all"}')
    p80("web.lua", code=4, says="did you mean 'signatures'")
    p80("policy", code=4, says="until it is mended")
    set_policy('{"policy":1}')
    os.chmod(os.path.join(STATE, "policy.json"), 0o666)
    p80("web.lua", code=4, says="Everyone may change it")
    os.chmod(os.path.join(STATE, "policy.json"), 0o644)
    os.chmod(STATE, 0o777)
    p80("web.lua", code=4, says="Everyone may change it")
    os.chmod(STATE, 0o750)
    p80("web.lua", says="ran")
    set_policy(None)


def check_protection():
    """What others could write, an elevated p80 does not run; nor does it believe such a state folder."""
    new_folder()
    p80("web.lua", says="ran")
    here = os.getcwd()
    for path, mode, says in (("web.lua", 0o666, "work3\\web.lua': Everyone may change it"), (".", 0o777, "work3': Everyone"),
                             ("parts", 0o777, "work3\\parts': Everyone"), ("parts/helper.lua", 0o602, "helper.lua': Everyone")):
        before = os.stat(path).st_mode & 0o777
        os.chmod(path, mode)
        p80("web.lua", code=4, says=says)
        os.chmod(path, before)
        p80("web.lua", says="ran")
    os.makedirs("deep/er")
    os.rename("web.lua", "deep/er/web.lua")
    os.rename("parts", "deep/er/parts")
    os.chmod("deep", 0o777)  # whoever may write above the folder could put another in its place
    p80("deep\\er\\web.lua", code=4, says="work3\\deep': Everyone may change it")
    os.chmod("deep", 0o755)
    p80("deep\\er\\web.lua", says="ran")
    os.symlink(here + "/deep", C + "/link")
    p80("C:\\link\\er\\web.lua", code=4, says="a junction or a link")
    os.symlink(here + "/deep/er/parts", here + "/deep/parts")
    write(here + "/deep/other.lua", 'print(require "parts.helper".key)')
    p80("deep\\other.lua", code=4, says="a junction or a link")
    p80("-e", f"print(pcall(dofile, [[C:\\link\\er\\web.lua]]))", says="a junction or a link")
    os.chmod(STATE, 0o777)
    p80("--allow", "*", "-e", "win.reg.set([[HKLM\\SOFTWARE\\Sharing]], 'y', 1)", code=4, says="p80': Everyone may change it")
    os.chmod(STATE, 0o750)


# What Wine starts with its first program stays, and would keep our pipes open.
subprocess.run(["wineserver", "-p"], check=True)
subprocess.run([loader, build + "/p80.exe", "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
               stderr=subprocess.DEVNULL, check=True)
check_both_ways()
note("check_both_ways")
check_computed()
check_spoilt()
note("check_spoilt")
check_passwords()
note("check_passwords")
check_minisigns_password()
note("check_minisigns_password")
check_policy()
note("check_policy")
check_protection()
note("check_protection")
