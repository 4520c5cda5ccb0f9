#!/usr/bin/python3
"""A day of an agent's, in minutes, and of the helper that it asks.

    soak.py AZSWARM ASK_TOOL LOOKS AZSWARM_DAY

Runs where files have small pages: of one in large folios a kernel (6.18) maps a
whole folio where it is asked for a page, and how large they are depends on who
wrote the file when, which is a sixth of the figure and nothing of ours.
AZSWARM_DAY is the product with a clock that whoever sleeps moves on
(tests/day_clock.c).  The agent is a worker's: it looks at its engine each
second, asks the helper for its row, is probed as by the load balancer and asked
for figures as by the monitor, until it has looked LOOKS times, 86400 a day.
Prints what was seen, a JSON document: memory and descriptors after each tenth.
"""
import http.client
import json
import multiprocessing
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import hostile

LOOKS, DAY = int(sys.argv[3]), os.path.abspath(sys.argv[4])
PROBES, FIGURES = LOOKS // 5, LOOKS // 10
NODE = "idday".ljust(25, "x")
LIMIT_S = 800


def seen(pid):
    rows = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if ":" in line)
    return {"rss_kb": int(rows["VmRSS"].split()[0]), "peak_kb": int(rows["VmHWM"].split()[0]),
            "anon_kb": int(rows["RssAnon"].split()[0]), "threads": int(rows["Threads"]),
            "fds": len(os.listdir(f"/proc/{pid}/fd"))}


def middle(rows):
    """Of a tenth of a day, in which what is minutes apart meets: the usual moment of each figure,
    but the highest peak."""
    rows = list(rows)
    return {k: max(r[k] for r in rows) if k == "peak_kb" else
            sorted(r[k] for r in rows)[len(rows) // 2] for k in rows[0]}


class Caller(threading.Thread):
    """Asks for a path so often, evenly over the day; a new connection each."""

    def __init__(self, cluster, path, times):
        super().__init__(daemon=True)
        self.cluster, self.path, self.times, self.good = cluster, path, times, 0

    def run(self):
        while self.good < self.times:
            if self.good > self.times * self.cluster.looks / LOOKS:
                time.sleep(0.01)
                continue
            try:
                c = http.client.HTTPConnection(hostile.OWN, self.cluster.health_port, timeout=5)
                c.request("GET", self.path)
                self.good += c.getresponse().status == 200
                c.close()
            except (OSError, http.client.HTTPException):
                pass    # its clock had moved on meanwhile


def engine(path, looks, asks):
    """A worker's engine, as small as it may be: it is asked all the time."""
    info = json.dumps({"Name": socket.gethostname(), "Swarm": {
        "NodeID": NODE, "LocalNodeState": "active", "ControlAvailable": False}}).encode()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        while True:
            s, _ = door.accept()
            while request := s.recv(4096):
                ping = request.startswith(b"GET /_ping ")
                (looks if ping else asks).value += 1
                body = b"OK" if ping else info
                s.sendall(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: %d\r\n\r\n%s"
                          % (len(body), body))
            s.close()


class Cluster(hostile.Cluster):
    """Its helper lives in our time, and is asked what was to be asked in a day."""

    looks = 0

    def config(self, role):
        super().config(role)
        doc = json.loads(pathlib.Path(role + ".json").read_text())
        # the longest time between two questions, as where there are many nodes
        self.write(role + ".json", doc | {"rate": 1000, "probe_s": 15})


def counted(cluster):
    """Requests that the helper has answered, of each kind a proven caller makes: two a question."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("manager.ctl")
        text = hostile.exchange(s, "GET", "/metrics")[1].decode()
    n = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return int(n["azswarm_requests_total"]) - int(n["azswarm_requests_limited_total"])


def prepare(cluster):
    """Another engine, a worker's, and the agent that has a day."""
    until = time.monotonic() + 60
    while hostile.honest(cluster, 1)[0]["200"] != 1 and time.monotonic() < until:
        time.sleep(0.5)
    cluster.agent.terminate()
    cluster.agent.wait()
    version = subprocess.run([hostile.AZSWARM, "version"], check=True, capture_output=True,
                             text=True).stdout.split()[1]
    nodes = json.loads(pathlib.Path("engine/nodes.json").read_text())
    for n in nodes:
        n["Spec"]["Labels"]["azswarm.version"] = version
        if n["Description"]["Hostname"] == "agents000000":
            n["ID"], n["Description"]["Hostname"] = NODE, socket.gethostname()
            n["Status"]["Addr"] = hostile.OWN
    cluster.write("engine/nodes.json", nodes)
    cluster.looked, cluster.told = (multiprocessing.RawValue("Q") for _ in range(2))
    multiprocessing.Process(target=engine, daemon=True, args=(
        "worker.sock", cluster.looked, cluster.told)).start()
    doc = json.loads(pathlib.Path("worker.json").read_text())
    cluster.write("worker.json", doc | {"docker_socket": os.path.abspath("worker.sock")})
    os.makedirs("run-worker", mode=0o700, exist_ok=True)
    pathlib.Path("run-worker/joined").write_text(NODE)
    while not os.path.exists("worker.sock"):
        time.sleep(0.1)


def main():
    cluster = Cluster()
    try:
        prepare(cluster)
        agent = cluster.start("day", [shutil.copy(DAY, "./azswarm-day"), "agent", "--config", "worker.json"])
        callers = [Caller(cluster, "/healthz", PROBES), Caller(cluster, "/figures", FIGURES)]
        for c in callers:
            c.start()
        tenths, began, helped, both = [], time.monotonic(), [], []
        while len(tenths) < 10 and time.monotonic() - began < LIMIT_S and agent.poll() is None:
            time.sleep(0.05)
            cluster.looks = cluster.looked.value
            both.append((seen(agent.pid), seen(cluster.helper.pid)))
            if cluster.looks >= LOOKS * (len(tenths) + 1) // 10:
                tenths.append(middle(a for a, _ in both))
                helped.append(middle(h for _, h in both))
                both = []
        for c in callers:
            c.join(30)
        print(json.dumps({
            "seconds": round(time.monotonic() - began), "looks": cluster.looks,
            "infos": cluster.told.value, "asked": counted(cluster), "probes": callers[0].good, "figures": callers[1].good,
            "agent": tenths, "helper": helped}))
    finally:
        cluster.end()
        sys.stderr.write(pathlib.Path("day.log").read_text()[-2000:])


if __name__ == "__main__":
    if "HOSTILE_INSIDE" not in os.environ:
        hostile.inside()
    where = tempfile.mkdtemp(prefix="azswarm-soak-")
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "huge=never,mode=700", "soak", where], check=True)
        os.chdir(where)
        main()
    finally:
        os.chdir("/")
        # the mount goes with its namespace
        subprocess.run(["umount", "--lazy", where], check=False)
        os.rmdir(where)
