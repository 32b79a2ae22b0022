#!/usr/bin/env python3
"""two_machines.py BUILD-FOLDER LOADER: what docs/sharing.md says, on two machines (Wine prefixes that share a folder and
nothing else). On the first somebody writes a playbook, tests it, signs it and makes an archive; on the second, which
another team runs under a policy, it is verified, installed, run, reported, undone, replaced and uninstalled."""

import json
import os
import subprocess
import sys
import tempfile
import zipfile

NEVER = 60  # seconds
HOME = os.path.join(os.environ.get("WINEPREFIX", ""), "drive_c/ProgramData/p80")


def run(command, folder):
    """-> exit code, standard output, standard error. (Files: Wine's own processes would hold a pipe open.)"""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=NEVER, check=False)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        return done.returncode, *texts


class Machine:
    def __init__(self, folder, loader, shared):
        self.program, self.loader, self.shared = os.path.join(folder, "p80.exe"), loader, shared

    def p80(self, code, *words, says=(), never=()):
        """Runs p80 in the shared folder; its exit code and what it prints must be these. -> standard output"""
        done, out, err = run([self.loader, self.program, *words], self.shared)
        text = " ".join((out + err).split())
        wrong = [s for s in says if s not in text] + [s for s in never if s in text]
        if done != code or wrong:
            sys.exit(f"p80 {' '.join(words)}: exit code {done}, {code} expected; {wrong}\n{out}{err}")
        return out

    def path(self, name):
        return os.path.join(self.shared, name)

    def text_in_registry(self):
        _, out, _ = run(["wine64", "reg.exe", "query", r"HKLM\SOFTWARE\acme", "/v", "Text"], self.shared)
        return out.split("REG_SZ")[1].strip() if "REG_SZ" in out else None


def check(condition, why):
    if not condition:
        sys.exit(f"two_machines: {why}")


def replace(path, old, new):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    check(old in text, f"{path} has no {old}")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text.replace(old, new))


def pack(machine, name, without=()):
    with zipfile.ZipFile(machine.path(name), "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, _, files in os.walk(machine.path("acme")):
            for file in files:
                path = os.path.join(folder, file)
                if not file.endswith(tuple(without) or ("\0",)):
                    archive.write(path, os.path.relpath(path, machine.shared))


# ---- The machine of those who write it ----


def write_it(m):
    os.mkdir(m.path("acme"))
    m.p80(0, "new", "acme\\acme.lua")
    with open(m.path("acme/team.lua"), "w", encoding="utf-8") as file:
        file.write('return {greeting = "acme was here"}\n')
    replace(m.path("acme/acme.lua"), 'local log = require "log"', 'local log = require "log"\nlocal team = require "team"')
    replace(m.path("acme/acme.lua"), 'default = "acme was here"', "default = team.greeting")
    m.p80(0, "lint", "acme\\acme.lua")
    m.p80(0, "test", "acme\\tests")
    m.p80(0, "sign", "--generate", "--no-password")
    pack(m, "unsigned.zip")
    m.p80(0, "sign", "acme\\acme.lua")
    m.p80(0, "verify", "acme\\acme.lua", "acme\\team.lua", "--key", "p80.pub", says=["playbook:acme version:0.1.0"])
    pack(m, "acme-0.1.0.zip")
    pack(m, "half-signed.zip", without=["team.lua.minisig"])
    replace(m.path("acme/team.lua"), "was here", "was there")
    pack(m, "tampered.zip")
    replace(m.path("acme/acme.lua"), 'version = "0.1.0"', 'version = "0.2.0"')
    replace(m.path("acme/acme.lua"), "grants = {", 'grants = {"scm.state:W3SVC", ')
    m.p80(0, "sign", "acme\\acme.lua")
    pack(m, "acme-0.2.0.zip")


# ---- The machine of another team ----


def guard(m):
    m.p80(0, "policy", "init")
    replace(os.path.join(HOME, "policy.json"), '"none"', '"elevated"')
    m.p80(4, "install", "unsigned.zip", "--yes", says=["There is no signature beside it. It must be signed"])
    m.p80(4, "install", "acme-0.1.0.zip", "--yes", says=["which is not trusted here"])
    m.p80(0, "policy", "trust", "p80.pub", "--name", "Web team", "--grant", r"reg.*:HKLM\SOFTWARE\acme*")
    m.p80(4, "install", "tampered.zip", "--yes", says=["team.lua", "It is not what was signed"])
    m.p80(4, "install", "half-signed.zip", "--yes", says=["team.lua", "It must be signed"])
    check(not os.path.exists(os.path.join(HOME, "playbooks")), "something was installed")


def install_it(m):
    says = ["acme 0.1.0: Write a text into the registry.", "signed by: Web team", r"+ may change reg.value:HKLM\SOFTWARE\acme\*"]
    m.p80(3, "install", "acme-0.1.0.zip", "--check", says=says, never=["here:"])
    m.p80(4, "install", "acme-0.1.0.zip", says=["Nobody agreed that it may change"])
    m.p80(0, "install", "acme-0.1.0.zip", "--yes", says=says)
    row = [row for row in json.loads(m.p80(0, "list", "--json")) if row["name"] == "acme"][0]
    check((row["origin"], row["version"], row["signer"]) == ("installed", "0.1.0", "Web team"), f"the list says {row}")
    m.p80(0, "help", "acme", says=["Usage: p80 acme"])


def run_it(m):
    m.p80(3, "acme", "--check")
    check(m.text_in_registry() is None, "--check wrote")
    report = json.loads(m.p80(0, "acme", "--json"))
    check((report["changed"] > 0, report["result"]["text"]) == (True, "acme was here"), f"the report says {report}")
    check(m.text_in_registry() == "acme was here", "nothing was written")
    m.p80(0, "acme", says=["nothing had to change"])
    m.p80(0, "undo")
    check(m.text_in_registry() is None, "undo left it")
    installed = os.path.join(HOME, "playbooks/acme/team.lua")
    replace(installed, "was here", "was elsewhere")
    m.p80(4, "acme", says=["It is not what was signed"])
    m.p80(0, "install", "acme-0.1.0.zip", "--yes")
    m.p80(0, "acme", "--text", "again")
    check(m.text_in_registry() == "again", "the repaired one did not write")


def replace_it(m):
    m.p80(4, "install", "acme-0.2.0.zip", says=["Nobody agreed that it may change scm.state:W3SVC."])
    m.p80(0, "install", "acme-0.2.0.zip", "--yes", says=[
        "replaces: 0.1.0", "+ may change scm.state:W3SVC NEW",
        "! scm.state:W3SVC: refused here: it is not among what scripts of Web team may be granted"])
    m.p80(0, "acme")
    check(m.text_in_registry() == "acme was there", "the new version did not write")
    m.p80(0, "install", "--previous", "acme", says=["acme 0.1.0", "replaces: 0.2.0", "- no longer changes scm.state:W3SVC"])
    m.p80(0, "uninstall", "acme")
    m.p80(2, "acme.lua", says=["no playbook of this name"])
    m.p80(0, "undo")
    m.p80(0, "acme")
    check(m.text_in_registry() == "acme was here", "the version that came back did not write")


def second(m):
    guard(m)
    install_it(m)
    run_it(m)
    replace_it(m)


def main():
    folder, loader = os.path.abspath(sys.argv[1]), sys.argv[2]
    if len(sys.argv) > 3:
        subprocess.run(["wineserver", "-p"], check=True)
        {"first": write_it, "second": second}[sys.argv[3]](Machine(folder, loader, sys.argv[4]))
        return
    runner = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../wine-run.sh")
    with tempfile.TemporaryDirectory(dir=folder) as shared:
        for machine in ("first", "second"):
            done = subprocess.run(["sh", runner, sys.executable, os.path.abspath(__file__), folder, loader, machine, shared], check=False)
            if done.returncode != 0:
                sys.exit(done.returncode)


main()
