#!/usr/bin/python3
"""So many agents that join at once, and one helper: what does it cost?

    joiners.py AZSWARM ASK_TOOL [JOINERS]

The swarm has a thousand nodes.  Each joiner is a process of ASK_TOOL, which asks
as an agent does, from an address of its own, and all let go at the same moment.
Connections are counted by the kernel: a joiner that needs more than one was
turned away.  Prints what it measured, a JSON document.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import hostile

N = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
START = """
import os, subprocess, sys
tool, n, go = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kids = []
for i in range(n):
    pid = os.fork()
    if pid == 0:
        os.read(go, 1)      # ends for all of them at once
        os.execv(tool, [tool, f'joiner-{i}.json', '/join/worker', '1', '60000'])
    kids.append(pid)
print('ready', flush=True)
for pid in kids:
    os.waitpid(pid, 0)
"""


def prepare():
    """A connection to an address here comes from that address."""
    subprocess.run(["ip", "route", "add", "local", "10.99.0.0/16", "dev", "lo"], check=True)
    with open("worker.json") as f:
        doc = json.load(f)
    for i in range(N):
        doc["masters"] = [f"10.99.{1 + i // 250}.{1 + i % 250}"]
        with open(f"joiner-{i}.json", "w") as f:
            json.dump(doc, f)
        os.chmod(f"joiner-{i}.json", 0o600)


def passive_opens():
    with open("/proc/net/snmp") as f:
        names, values = [line.split() for line in f if line.startswith("Tcp:")]
    return int(dict(zip(names, values))["PassiveOpens"])


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        rest = f.read().rsplit(") ", 1)[1].split()
    return (int(rest[11]) + int(rest[12])) / os.sysconf("SC_CLK_TCK")


def status_kb(pid, what):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(what + ":"):
                return int(line.split()[1])
    return None


def measure(cluster):
    read, write = os.pipe()
    os.set_inheritable(read, True)
    before, cpu = passive_opens(), cpu_s(cluster.helper.pid)
    kids = subprocess.Popen([sys.executable, "-c", START, hostile.ASK_TOOL, str(N), str(read)],
                            stdout=subprocess.PIPE, text=True, pass_fds=[read])
    kids.stdout.readline()
    began = time.monotonic()
    os.close(write)
    rows = [line.split(" ", 2) for line in kids.stdout.read().splitlines()]
    kids.wait()
    took = time.monotonic() - began
    return {
        "joiners": N,
        "joined": sum(r[0] == "200" for r in rows),
        "seconds": round(took, 2),
        "longest_ms": max(int(r[1]) for r in rows),
        "connections": passive_opens() - before,
        "helper_cpu_ms_each": round((cpu_s(cluster.helper.pid) - cpu) * 1000 / N, 2),
        "helper_peak_kb": status_kb(cluster.helper.pid, "VmHWM"),
        "whys": sorted({r[2] for r in rows if r[0] != "200"})[:5],
    }


def main():
    cluster = hostile.Cluster(nodes=1000)
    try:
        until = time.monotonic() + 60
        while hostile.honest(cluster, 1)[0]["200"] != 1:
            if time.monotonic() > until:
                sys.exit("joiners: the helper hands out nothing")
            time.sleep(0.5)
        prepare()
        time.sleep(3)       # it has looked at its table
        rest = status_kb(cluster.helper.pid, "VmHWM")
        print(json.dumps({"helper_rest_kb": rest} | measure(cluster)))
    finally:
        cluster.end()


if __name__ == "__main__":
    if "HOSTILE_INSIDE" not in os.environ:
        hostile.inside()
    where = tempfile.mkdtemp(prefix="azswarm-joiners-")
    os.chdir(where)
    try:
        main()
    finally:
        os.chdir("/")
        shutil.rmtree(where)
