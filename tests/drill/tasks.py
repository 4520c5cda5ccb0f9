#!/usr/bin/env python3
"""How many tasks of the service `work` are alive, counted from outside.

    tasks.py NET OUT [WANT]

NET is the network's name (azs-XXXXXXXX), the cgroup of its machines.  Four
times a second /proc is looked through for demo processes that have no
SWARM_MODE in their environment.  On SIGTERM it writes OUT, JSON: min, max,
carried (most on one machine while no more than WANT ran), below (seconds with
fewer than WANT, 8 unless given), longest (such spell), last (machine -> tasks).
"""
import collections
import json
import os
import signal
import sys
import time

net, out = sys.argv[1], sys.argv[2]
want = int(sys.argv[3]) if len(sys.argv) > 3 else 8
stopped = False


def stop(*_):
    global stopped
    stopped = True


def read(path):
    with open(path, "rb") as f:
        return f.read()


def machine_of(pid):
    """The machine that a task of `work` runs on; None: no such process; raises
    LookupError while it may still become one."""
    words = read(f"/proc/{pid}/cmdline").split(b"\0")
    if not (words[0].endswith(b"azswarm") and words[1:2] == [b"demo"]):
        if not words[0] or b"runc" in words[0] or b"containerd" in words[0]:
            raise LookupError
        return None
    if b"SWARM_MODE" in read(f"/proc/{pid}/environ"):
        return None
    _, found, rest = read(f"/proc/{pid}/cgroup").decode().partition(f"/{net}/")
    return rest.split("/", 1)[0].strip() if found else None


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
known, series, carried, last = {}, [], 0, {}
began = time.time()
while not stopped:
    alive = collections.Counter()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = read(f"/proc/{pid}/stat").rsplit(b")", 1)[1].split()
            key = (pid, stat[19])
            if stat[0] == b"Z":
                continue
            if key not in known:
                known[key] = machine_of(pid)
            if known[key]:
                alive[known[key]] += 1
        except (OSError, LookupError):
            pass
    total, last = sum(alive.values()), dict(alive)
    if total <= want:
        carried = max([carried, *alive.values()])
    if not series or series[-1][1] != total:
        series.append((time.time(), total))
    time.sleep(0.25)
end = time.time()
below = longest = spell = 0.0
for i, (at, total) in enumerate(series):
    lasted = (series[i + 1][0] if i + 1 < len(series) else end) - at
    spell = spell + lasted if total < want else 0.0
    below += lasted if total < want else 0.0
    longest = max(longest, spell)
counts = [total for _, total in series] or [0]
with open(out + ".new", "w") as f:
    json.dump({"min": min(counts), "max": max(counts), "carried": carried,
               "below": round(below, 1), "longest": round(longest, 1),
               "seconds": round(end - began, 1), "last": last}, f)
os.rename(out + ".new", out)
