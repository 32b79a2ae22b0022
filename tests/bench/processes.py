#!/usr/bin/env python3
"""processes.py BIN PEAK: wall time and peak memory of whole p80 processes under Wine, in pairs with what they are compared
with; medians of the ratios. PEAK is peak.c, built. tests/bench/run.sh starts it inside a prefix and a network
namespace of its own."""

import os
import statistics
import subprocess
import sys
import time

WINE = "/usr/lib/wine/wine64"
SYSTEM = "C:\\windows\\system32\\"


def run(command, code=None):
    """-> seconds, peak resident KiB; ends unless the command ends with `code`"""
    done = subprocess.run([sys.argv[2], WINE, *command], capture_output=True, text=True, check=True)
    seconds, peak, ended = done.stdout.split()
    if code not in (None, int(ended)):
        sys.exit(f"{' '.join(command)} ended with {ended}, not {code}")
    return float(seconds), int(peak)


def run_all(commands, code=None):
    results = [run(command, code) for command in commands]
    return sum(seconds for seconds, _ in results), max(peak for _, peak in results)


def compare(what, ours, code, theirs, pairs):
    """`ours` must end with `code` each time."""
    times, peaks = [], []
    for i in range(pairs):
        sides = (("ours", ours, code), ("theirs", theirs, None))
        measured = {name: run_all(commands, wanted) for name, commands, wanted in sides[::1 if i % 2 else -1]}
        (our_time, our_peak), (their_time, their_peak) = measured["ours"], measured["theirs"]
        times.append((our_time / their_time, our_time, their_time))
        peaks.append((our_peak / their_peak, our_peak, their_peak))
    for name, rows, unit, scale in (("wall time", times, "ms", 1e3), ("peak memory", peaks, "KiB", 1)):
        ratio, ours_median, theirs_median = (statistics.median(column) for column in zip(*rows))
        print(f"{what}, {name}: {ratio:.2f} times ({ours_median * scale:.1f} to {theirs_median * scale:.1f} {unit}, "
              f"{pairs} pairs)", flush=True)


def print_connections():
    """How long the table is that Linux walks for Wine's TCP tables: nothing else moves the figures of free80 so much."""
    path = "/proc/sys/net/ipv4/tcp_ehash_entries"  # since Linux 6.1; less than 0: the machine's, not this network's own
    size = open(path, encoding="ascii").read().strip() if os.path.exists(path) else "as many as the machine's"
    print(f"Linux' table of connections: {size} entries", flush=True)


def main():
    folder = sys.argv[1]
    print_connections()
    p80 = os.path.join(folder, "p80.exe")
    compare('p80 -e "" to an empty program', [[p80, "-e", ""]], 0, [[os.path.join(folder, "empty.exe")]], 60)
    holder = "Z:" + os.path.join(folder, "holder.exe").replace("/", "\\")
    run([SYSTEM + "sc.exe", "create", "Bench", "binPath=", holder + " --service --http http://+:80/"])
    run([SYSTEM + "sc.exe", "start", "Bench"])
    for _ in range(100):
        if subprocess.run([WINE, p80, "free80.lua", "--check"], capture_output=True, check=False).returncode == 3:
            break
        time.sleep(0.1)
    else:
        sys.exit("the service did not take port 80")
    tools = [[SYSTEM + "netstat.exe", "-ano"], [SYSTEM + "tasklist.exe", "/svc"], [SYSTEM + "sc.exe", "queryex", "Bench"],
             [SYSTEM + "reg.exe", "query", "HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP"]]
    compare("p80 free80.lua --check to netstat, tasklist, sc and reg", [[p80, "free80.lua", "--check"]], 3, tools, 25)


main()
