#!/usr/bin/env python3
"""A load balancer as Azure documents its own, with load behind it.

    balancer.py MACHINES OUT [PORT]

Runs in the machines' network.  MACHINES is the local Azure's machines/ folder:
every machine there whose name begins with "agents" is in the pool.  Each is
asked GET :1338/healthz every 5 s: another status than 200, a reset or a
refusal is down at once, silence is down when it happens twice, two successes
bring it back; with LB=patient every failure must happen twice.  When all are
down, all are asked (noHealthyBackendsBehavior: AllProbedUp) with LB_ALLUP=1,
else nothing gets through.  20 new
connections a second, one after the other to those that are in, each
GET /hostname on PORT (80).

On SIGTERM it writes OUT, JSON: ok, failed, slow (over 1 s), kinds of failure,
bursts of them, and when each machine came and went.  Knows nothing of the
program under test but these two ports.
"""
import asyncio
import glob
import json
import os
import signal
import sys
import time

RATE = 20
PROBE_S = 5
LIMIT_S = 3


async def get(address, port, path, limit):
    """The status of one GET; raises what went wrong."""
    async def talk():
        reader, writer = await asyncio.open_connection(address, port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n"
                         "Connection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n")
            while await reader.read(65536):
                pass
            return int(head.split()[1])
        finally:
            writer.close()
    return await asyncio.wait_for(talk(), limit)


class Balancer:
    def __init__(self, machines, port):
        self.machines, self.port = machines, port
        self.up, self.streak = {}, {}
        self.first = True
        self.ok = self.slow = 0
        self.failed = []        # (when, why)
        self.log = []           # (when, machine, what)
        self.all_up = os.environ.get("LB_ALLUP") == "1"
        self.patient = os.environ.get("LB") == "patient"

    def pool(self):
        found = {}
        for path in glob.glob(self.machines + "/*/machine.json"):
            try:
                with open(path) as f:
                    doc = json.load(f)
                if doc["name"].startswith("agents"):
                    found[doc["address"]] = doc["name"]
            except (OSError, ValueError, KeyError):
                pass            # being written
        return found

    async def probe(self, address, name):
        try:
            answer = "up" if await get(address, 1338, "/healthz", PROBE_S) == 200 else "down"
        except asyncio.TimeoutError:
            answer = "silent"
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError) as e:
            # nobody has that address: silence, for a packet to Azure's balancer
            answer = "silent" if getattr(e, "errno", 0) == 113 else "down"
        if address not in self.up:
            return
        if (answer == "up") == self.up[address]:
            self.streak[address] = 0
            return
        self.streak[address] += 1
        if (answer == "down" and not self.patient) or self.streak[address] >= 2:
            self.up[address] = answer == "up"
            self.streak[address] = 0
            self.log.append((time.time(), name, "up" if answer == "up" else "down"))

    async def probing(self):
        while True:
            pool = self.pool()
            for address in [a for a in self.up if a not in pool]:
                del self.up[address]
            for address in pool:
                if address not in self.up:
                    # at the start of the drill all are known to be well
                    self.up[address], self.streak[address] = self.first, 0
            self.first = False
            for address, name in pool.items():
                asyncio.ensure_future(self.probe(address, name))
            await asyncio.sleep(PROBE_S)

    async def request(self, address):
        began = time.time()
        try:
            status = await get(address, self.port, "/hostname", LIMIT_S)
            if status != 200:
                raise ValueError(f"status {status}")
            self.ok += 1
            self.slow += time.time() - began > 1
        except Exception as e:
            self.failed.append((began, f"{address} {type(e).__name__} {str(e)[:50]}"))

    async def load(self):
        turn, due = 0, time.time()
        while True:
            members = sorted(a for a in self.up if self.up[a])
            if not members and self.all_up:
                members = sorted(self.up)
            if members:
                asyncio.ensure_future(self.request(members[turn % len(members)]))
                turn += 1
            elif not self.first:
                self.failed.append((time.time(), "no machine is in the pool"))
            due += 1 / RATE
            await asyncio.sleep(max(0, due - time.time()))

    def report(self):
        kinds, bursts = {}, []
        for when, why in sorted(self.failed):
            kinds[why] = kinds.get(why, 0) + 1
            if bursts and when - bursts[-1]["to"] < 2:
                bursts[-1]["to"] = when
                bursts[-1]["n"] += 1
            else:
                bursts.append({"from": when, "to": when, "n": 1})
        return {"ok": self.ok, "failed": len(self.failed), "slow": self.slow,
                "kinds": kinds, "bursts": bursts, "log": self.log}


async def main():
    balancer = Balancer(sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 80)
    stop = asyncio.Event()
    for s in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(s, stop.set)
    tasks = [asyncio.ensure_future(balancer.probing()), asyncio.ensure_future(balancer.load())]
    await stop.wait()
    for t in tasks:
        t.cancel()
    await asyncio.sleep(LIMIT_S + 0.2)      # what is under way ends
    with open(sys.argv[2] + ".new", "w") as f:
        json.dump(balancer.report(), f)
    os.rename(sys.argv[2] + ".new", sys.argv[2])

asyncio.run(main())
