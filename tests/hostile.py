#!/usr/bin/python3
"""An attack on a real helper, and on an agent's health port.

    hostile.py AZSWARM ASK_TOOL [REQUESTS]

First one flood after the other, each beside 50 honest joiners of the very
address that it comes from; then REQUESTS (100000) hostile ones of all kinds at
once, with honest joiners among them.  A token that anybody gets who should not
have it, an honest caller who is turned away, memory or descriptors that do not
come back: each is a failed case.

The honest ones are ASK_TOOL, which is how an agent asks; the others are
OpenSSL's TLS and sockets, from many addresses of the loopback.  All of it is in
a network of its own, where that may be had, which then has the load balancer's
address, too; and in a directory that is removed, unless something failed.
"""
import collections
import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

AZSWARM, ASK_TOOL = (os.path.abspath(p) for p in sys.argv[1:3])
REQUESTS = int(sys.argv[3]) if len(sys.argv) > 3 else 100000
HERE = pathlib.Path(__file__).resolve().parent
WORKER, MANAGER = b"\xaa" * 32, b"\xbb" * 32
JOINERS = 50
DEADLINE_MS = 12000     # as an agent has it for a join
OWN = "127.0.0.1"       # the helper's, and the honest ones'
PROBE = "168.63.129.16"
ROOM_KB = 6 << 10       # what memory may have grown by
failures = 0


def say(good, case, why=""):
    global failures
    failures += not good
    print(f"ok hostile {case}" if good else f"not ok hostile {case}: {why}", flush=True)


# ---- the cluster ----

def free_port():
    with socket.socket() as s:
        s.bind((OWN, 0))
        return s.getsockname()[1]


class Cluster:
    """An engine that knows a swarm, the helper before it, and an agent."""

    def __init__(self, nodes=4):
        self.helper_port, self.health_port = free_port(), free_port()
        self.running = []
        subprocess.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout",
                        "-out", "helper.key"], check=True)
        os.chmod("helper.key", 0o600)
        der = subprocess.run(["openssl", "pkey", "-in", "helper.key", "-pubout", "-outform", "DER"],
                             check=True, capture_output=True).stdout
        self.pin = hashlib.sha256(der).hexdigest()
        os.mkdir("engine")
        subprocess.run([sys.executable, HERE / "fake_swarm.py", "engine", str(nodes)],
                       check=True)
        self.write("engine/info.json", {"Name": "master0", "Swarm": {
            "NodeID": "idmaster0".ljust(25, "x"), "LocalNodeState": "active",
            "ControlAvailable": True, "Cluster": {"ID": "cl1"}}})
        self.write("engine/swarm.json", {"JoinTokens": {
            "Worker": "SWMTKN-1-worker", "Manager": "SWMTKN-1-manager"}})
        self.config("manager")
        self.config("worker")
        self.start("engine", [sys.executable, HERE / "fake_engine.py", "engine.sock", "engine"])
        self.helper = self.start("helper", [AZSWARM, "helper", "--config", "manager.json"])
        self.agent = self.start("agent", [AZSWARM, "agent", "--config", "worker.json"])

    def write(self, name, doc):
        pathlib.Path(name).write_text(json.dumps(doc))
        os.chmod(name, 0o600)

    def config(self, role):
        doc = {"role": role, "masters": [OWN], "helper_pin": self.pin,
               "worker_secret": WORKER.hex(), "docker_socket": os.path.abspath("engine.sock"),
               "listen": "0.0.0.0", "helper_port": self.helper_port,
               "health_port": self.health_port, "run_dir": os.path.abspath("run-" + role),
               "state_dir": os.path.abspath("state-" + role),
               "helper_socket": os.path.abspath(role + ".ctl"), "metadata_host": ""}
        if role == "manager":
            doc["manager_secret"] = MANAGER.hex()
        self.write(role + ".json", doc)

    def start(self, name, command):
        with open(name + ".log", "ab") as log:
            p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running.append(p)
        return p

    def end(self):
        codes = []
        for p in reversed(self.running):
            p.terminate()
        for p in reversed(self.running):
            try:
                codes.append(p.wait(30))
            except subprocess.TimeoutExpired:
                p.kill()
                codes.append("killed")
        return codes[:2]


# ---- callers ----

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


def dial(addr, port, timeout=5.0):
    s = socket.socket()
    try:
        s.settimeout(timeout)
        # gone at once when closed: nothing is left to run out of
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.bind((addr, 0))
        s.connect((OWN, port))
    except OSError:
        s.close()
        raise
    return s


def dial_tls(addr, port, timeout=5.0, name=None):
    s = dial(addr, port, timeout)
    try:
        return TLS.wrap_socket(s, server_hostname=name)
    except BaseException:
        s.close()
        raise


def exchange(s, method, path, *fields, body=b""):
    head = [f"{method} {path} HTTP/1.1", "Host: x", *fields]
    if body:
        head.append(f"Content-Length: {len(body)}")
    s.sendall("\r\n".join(head + ["", ""]).encode() + body)
    r = http.client.HTTPResponse(s, method=method)
    r.begin()
    text = r.read()
    return r.status, text, r.will_close


def authorization(secret, method, path, nonce, name="mallory"):
    text = f"azswarm 1\n{method}\n{path}\n{nonce}\n{name}\n".encode()
    mac = hmac.new(secret, text, hashlib.sha256).hexdigest()
    return f"Authorization: Azswarm name={name}, nonce={nonce}, mac={mac}"


def nonce_of(s):
    status, text, _ = exchange(s, "GET", "/nonce")
    if status != 200:
        raise ConnectionError(f"no nonce: {status}")
    return json.loads(text)["nonce"]


def honest(cluster, times):
    """So many joiners, one after the other; statuses and the longest wait."""
    out = subprocess.run([ASK_TOOL, "worker.json", "/join/worker", str(times), str(DEADLINE_MS)],
                         check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [line.split(" ", 2) for line in out]
    statuses = collections.Counter(r[0] for r in rows)
    worst = max(int(r[1]) for r in rows)
    whys = {r[2] for r in rows if r[0] != "200"}
    return statuses, worst, whys


# ---- floods: each runs in a process of its own until it is stopped ----

def silent(addr, cluster, stop):
    """Eight connections that say nothing, made anew when they are closed."""
    held = []
    while not stop.is_set():
        while len(held) < 8:
            held.append(dial(addr, cluster.helper_port))
        time.sleep(0.05)
        for s in list(held):
            try:
                s.setblocking(False)
                if s.recv(1) == b"":
                    held.remove(s)
            except BlockingIOError:
                pass
            except OSError:
                held.remove(s)


def bad_requests(addr, cluster, stop):
    """Ten a second, without a secret."""
    while not stop.is_set():
        try:
            with dial_tls(addr, cluster.helper_port, 2) as s:
                while not stop.is_set():
                    time.sleep(0.1)
                    _, _, last = exchange(s, "GET", "/join/worker",
                                          authorization(b"\1" * 32, "GET", "/join/worker",
                                                        "0" * 80))
                    if last:
                        break
        except OSError:
            time.sleep(0.1)


def trickle_one(addr, port, tls, stop):
    while not stop.is_set():
        try:
            with (dial_tls if tls else dial)(addr, port, 5) as s:
                for c in b"GET /nonce HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 4000:
                    s.sendall(bytes([c]))
                    if stop.wait(0.1):
                        return
        except OSError:
            time.sleep(0.05)


def together(n, run, *args):
    threads = [threading.Thread(target=run, args=args, daemon=True) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def trickling(addr, cluster, stop):
    """Eight headers that never end, a byte at a time, over TLS."""
    together(8, trickle_one, addr, cluster.helper_port, True, stop)


def trickling_health(addr, cluster, stop):
    """The same on the agent's health port."""
    together(8, trickle_one, addr, cluster.health_port, False, stop)


def hellos_one(addr, cluster, stop, name):
    while not stop.is_set():
        try:
            dial_tls(addr, cluster.helper_port, 2, name).close()
        except OSError:
            pass


def handshakes(addr, cluster, stop):
    """As many as go, and nothing behind them."""
    together(4, hellos_one, addr, cluster, stop, None)


def forged_knocks(addr, cluster, stop):
    """The same, as if they belonged to the cluster."""
    together(4, hellos_one, addr, cluster, stop,
             struct.pack(">I", int(time.time())).hex() + "5" * 48 + ".azswarm")


def nonce_one(addr, cluster, stop):
    while not stop.is_set():
        try:
            with dial_tls(addr, cluster.helper_port, 5) as s:
                nonce_of(s)
                s.recv(1)
        except OSError:
            time.sleep(0.05)


def nonces(addr, cluster, stop):
    """Eight that ask for a nonce and for no more."""
    together(8, nonce_one, addr, cluster, stop)


def connects(addr, cluster, stop):
    """New ones all the time, none of which says anything."""
    held = collections.deque()
    while not stop.is_set():
        try:
            held.append(dial(addr, cluster.helper_port))
        except OSError:
            time.sleep(0.01)
        if len(held) > 150:
            held.popleft().close()
        time.sleep(0.001)


def run_flood(flood, addr, cluster, stop):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    flood(addr, cluster, stop)
    os._exit(0)     # threads that wait in a read need not end


def under(case, flood, addresses, cluster, look):
    stop = multiprocessing.Event()
    children = [multiprocessing.Process(target=run_flood, args=(flood, a, cluster, stop),
                                        daemon=True) for a in addresses]
    for c in children:
        c.start()
    time.sleep(1.5)     # it is under way
    try:
        look(case)
    finally:
        stop.set()
        for c in children:
            c.join(5)
            if c.is_alive():
                c.kill()
                c.join()


def joiners(cluster):
    def look(case):
        statuses, worst, whys = honest(cluster, JOINERS)
        print(f"# {case}: {dict(statuses)}, the longest took {worst} ms", flush=True)
        say(statuses["200"] == JOINERS, f"{case}: all of {JOINERS} honest joiners",
            f"{dict(statuses)} {whys}")
        cluster.tokens += statuses["200"]
    return look


def probes(cluster, addr):
    """The load balancer, which gives up after some seconds."""
    def look(case):
        good, worst = 0, 0.0
        for _ in range(JOINERS):
            began = time.monotonic()
            try:
                with dial(addr, cluster.health_port, 5) as s:
                    status, text, _ = exchange(s, "GET", "/healthz", "Connection: close")
                    good += status in (200, 503) and b"status" in text
            except OSError:
                pass
            worst = max(worst, time.monotonic() - began)
        print(f"# {case}: {good} answers, the longest took {worst * 1000:.0f} ms", flush=True)
        say(good == JOINERS, f"{case}: all of {JOINERS} probes", f"{good}")
    return look


def floods(cluster):
    many = [f"127.66.0.{i}" for i in range(2, 8)]
    own = [OWN]
    join = joiners(cluster)
    under("8 silent connections of its own address", silent, own, cluster, join)
    under("10 bad requests a second of its own address", bad_requests, own, cluster, join)
    under("nonces of its own address, and 5 others", nonces, own + many[:5], cluster, join)
    under("headers that trickle, of 7 addresses", trickling, own + many, cluster, join)
    under("new connections, of 7 addresses", connects, own + many, cluster, join)
    under("handshakes, of 7 addresses", handshakes, own + many, cluster, join)
    under("forged knocks, of 7 addresses", forged_knocks, own + many, cluster, join)
    under("trickling on the health port, as a master", trickling_health, many, cluster,
          probes(cluster, OWN))
    if has_address(PROBE):
        under("trickling on the health port, as the load balancer", trickling_health,
              many, cluster, probes(cluster, PROBE))


def has_address(addr):
    with socket.socket() as s:
        try:
            s.bind((addr, 0))
        except OSError:
            return False
    return True


# ---- everything at once ----

class Attacker:
    """Hostile requests of one process: each kind returns how many it made."""

    def __init__(self, cluster, seed):
        self.cluster, self.rnd = cluster, random.Random(seed)
        self.seen = collections.Counter()
        self.wrong = []         # answers that should not have been given
        self.python_joins = 0
        self.used = None        # an Authorization that was good once
        self.knocks = cluster.knocks
        self.lock = threading.Lock()

    def address(self):
        if self.rnd.random() < 0.05:
            return self.rnd.choice([OWN, "127.66.0.2", "127.66.0.3"])
        return f"127.67.{self.rnd.randrange(256)}.{self.rnd.randrange(1, 255)}"

    def tls(self, name=None):
        addr = self.address()
        return dial_tls(addr, self.cluster.helper_port, 5 if addr.startswith("127.67") else 0.3,
                        name)

    def judge(self, status, text, may_have=()):
        self.seen[status] += 1
        if b"SWMTKN" in text and not any(m in text for m in may_have):
            self.wrong.append((status, text[:200]))

    def bad_mac(self):
        made = 0
        with self.tls() as s:
            for _ in range(3):
                nonce, path = nonce_of(s), self.rnd.choice(["/join/worker", "/join/manager"])
                header = authorization(self.rnd.randbytes(32), "GET", path, nonce)
                status, text, last = exchange(s, "GET", path, header)
                self.judge(status, text)
                made += 2
                if last:
                    break
        return made

    def replay(self):
        made = 0
        with self.tls() as s:
            if self.used is None:
                header = authorization(WORKER, "GET", "/join/worker", nonce_of(s))
                status, text, _ = exchange(s, "GET", "/join/worker", header)
                self.judge(status, text, (b"SWMTKN-1-worker",))
                made += 2
                if status == 200:
                    self.python_joins += 1
                    self.used = header
            for _ in range(4):
                if self.used is None:
                    break
                status, text, last = exchange(s, "GET", "/join/worker", self.used)
                self.judge(status, text)
                made += 1
                if last:
                    break
        return made

    def wrong_role(self):
        """With the worker's secret, which has been stolen."""
        with self.tls() as s:
            header = authorization(WORKER, "GET", "/join/manager", nonce_of(s), "master2")
            status, text, _ = exchange(s, "GET", "/join/manager", header)
            self.judge(status, text)
            if status not in (403, 429):
                self.wrong.append((status, text[:200]))
        return 2

    def another_target(self):
        """A proof for one path, said with another one."""
        with self.tls() as s:
            header = authorization(WORKER, "GET", "/join/worker", nonce_of(s))
            for path in "/join/manager", "/join/worker?x", "//join/worker":
                status, text, last = exchange(s, "GET", path, header)
                self.judge(status, text)
                if last:
                    break
        return 4

    def without(self):
        made = 0
        with self.tls() as s:
            for _ in range(6):
                method, path = self.rnd.choice([
                    ("GET", "/join/worker"), ("GET", "/join/manager"), ("POST", "/evict/x"),
                    ("GET", "/nodes"), ("GET", "/../join/worker"), ("PUT", "/nonce"),
                    ("POST", "/left/x"), ("GET", "/node/" + "x" * 300), ("GET", "/metrics")])
                field = self.rnd.choice(["A: b", "Authorization: Bearer x", "Authorization: Azswarm",
                                         "Authorization: Azswarm name=a, nonce=b, mac=c"])
                status, text, last = exchange(s, method, path, field)
                self.judge(status, text)
                made += 1
                if last:
                    break
        return made

    def truncated(self):
        whole = (b"GET /join/worker HTTP/1.1\r\nHost: x\r\n" +
                 authorization(WORKER, "GET", "/join/worker", "0" * 80).encode() + b"\r\n\r\n")
        with self.tls() as s:
            s.sendall(whole[:self.rnd.randrange(1, len(whole))])
        return 1

    def oversized(self):
        what = self.rnd.randrange(4)
        with self.tls() as s:
            if what == 0:
                r = exchange(s, "GET", "/nonce", "X: " + "x" * 70000)
            elif what == 1:
                r = exchange(s, "POST", "/evict/x", body=b"x" * 3000)
            elif what == 2:
                r = exchange(s, "GET", "/" + "y" * 20000)
            else:
                r = exchange(s, "POST", "/evict/x", "Content-Length: 99999999999")
            self.judge(r[0], r[1])
        return 1

    def garbage(self):
        what = self.rnd.randrange(5)
        hello = self.cluster.hello
        if what == 0:
            data = self.rnd.randbytes(self.rnd.randrange(1, 600))
        elif what == 1:
            data = b"GET /join/worker HTTP/1.1\r\nHost: x\r\n\r\n"
        elif what == 2:
            data = hello[:self.rnd.randrange(1, len(hello))]
        else:
            data = bytearray(hello)
            for _ in range(self.rnd.randrange(1, 4)):
                data[self.rnd.randrange(len(data))] = self.rnd.randrange(256)
        with dial(self.address(), self.cluster.helper_port, 0.3) as s:
            s.sendall(data)
            try:
                s.recv(100)
            except socket.timeout:
                pass
        return 1

    def forged(self):
        name = (struct.pack(">I", int(time.time())).hex() + self.rnd.randbytes(24).hex() +
                ".azswarm")
        return self.at_door(name)

    def overheard(self):
        """A knock that was good when another said it: it opens nothing."""
        return self.at_door(self.rnd.choice(self.knocks))

    def at_door(self, name):
        made = 0
        with self.tls(name) as s:
            for _ in range(5):
                status, text, last = exchange(s, "GET", "/join/worker")
                self.judge(status, text)
                made += 1
                if last:
                    break
        return made

    KINDS = [("bad_mac", 20), ("replay", 8), ("wrong_role", 5), ("another_target", 4),
             ("without", 20), ("truncated", 6), ("oversized", 4), ("garbage", 24), ("forged", 5),
             ("overheard", 4)]

    def one(self):
        kinds, weights = zip(*self.KINDS)
        kind = self.rnd.choices(kinds, weights)[0]
        try:
            made = getattr(self, kind)()
        except (OSError, http.client.HTTPException):
            made = 1        # hung up on, or not even heard
            self.seen["hung up"] += 1
        self.seen[kind] += made
        return made


def attack(cluster, seed, share, queue):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    attackers = [Attacker(cluster, seed * 100 + i) for i in range(6)]

    def run(a):
        made = 0
        while made < share / len(attackers):
            made += a.one()
        a.seen["all"] = made

    threads = [threading.Thread(target=run, args=(a,)) for a in attackers]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    queue.put((sum((a.seen for a in attackers), collections.Counter()),
               [w for a in attackers for w in a.wrong], sum(a.python_joins for a in attackers)))


def status_of(pid):
    rows = dict(line.split(":", 1) for line in
                pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return (int(rows["VmRSS"].split()[0]), int(rows["Threads"]),
            len(os.listdir(f"/proc/{pid}/fd")))


def settled(pid, before):
    """When those that only wait have been hung up on."""
    until = time.monotonic() + 60
    now = status_of(pid)
    while time.monotonic() < until and not all(a <= b for a, b in zip(now[1:], before[1:])):
        time.sleep(0.2)
        now = status_of(pid)
    return now


def everything(cluster, before):
    queue = multiprocessing.Queue()
    processes = 3
    children = [multiprocessing.Process(target=attack, args=(cluster, i, REQUESTS / processes,
                                                             queue), daemon=True)
                for i in range(processes)]
    began = time.monotonic()
    for c in children:
        c.start()
    seen, wrong, python_joins, got = collections.Counter(), [], 0, 0
    statuses, worst, whys = collections.Counter(), 0, set()
    while got < processes:
        s, w, y = honest(cluster, 5)
        statuses += s
        worst, whys = max(worst, w), whys | y
        while not queue.empty():
            one = queue.get()
            seen, wrong, python_joins, got = (seen + one[0], wrong + one[1],
                                              python_joins + one[2], got + 1)
        if any(c.exitcode not in (None, 0) for c in children):
            break
    for c in children:
        c.join(10)
    cluster.tokens += statuses["200"] + python_joins
    made = seen.pop("all")
    print(f"# {made} hostile requests in {time.monotonic() - began:.0f} s: {dict(seen)}")
    print(f"# honest among them: {dict(statuses)}, the longest took {worst} ms")
    say(got == processes and made >= REQUESTS, f"{REQUESTS} hostile requests", f"{made}")
    say(not wrong, "no token wrongly, and no other answer", f"{len(wrong)}: {wrong[:3]}")
    say(sum(statuses.values()) == statuses["200"] > 0, "every honest joiner among them",
        f"{dict(statuses)} {whys}")
    after = settled(cluster.helper.pid, before)
    print(f"# memory before {before[0]} kB, after {after[0]} kB; threads {before[1]}, {after[1]}; "
          f"descriptors {before[2]}, {after[2]}")
    say(after[0] <= before[0] + ROOM_KB, "memory as before", f"{before[0]} kB, {after[0]} kB")
    say(all(a <= b for a, b in zip(after[1:], before[1:])),
        "threads and descriptors as before", f"{before} {after}")


def counted(cluster):
    """What the helper itself says that it gave away."""
    with dial_tls("127.68.0.1", cluster.helper_port, 30) as s:
        text = exchange(s, "GET", "/metrics")[1].decode()
    gave = int(next(line.split()[1] for line in text.splitlines()
                    if line.startswith("azswarm_tokens_total ")))
    print(f"# tokens: {gave} given, {cluster.tokens} taken by honest callers")
    say(gave >= cluster.tokens > 0 and gave - cluster.tokens <= 3,
        "as many tokens given as honest callers took", f"{gave}, {cluster.tokens}")


def recorded_hello():
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        TLS.wrap_bio(into, out, server_hostname="x.example").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def main():
    cluster = Cluster()
    cluster.tokens = 0
    cluster.hello = recorded_hello()
    cluster.knocks = subprocess.run([ASK_TOOL, "worker.json", "knock", "20", "1"], check=True,
                                    capture_output=True, text=True).stdout.split()
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            statuses, _, whys = honest(cluster, 1)
            cluster.tokens += statuses["200"]
            if statuses["200"] == 1:
                break
            time.sleep(0.5)
        say(statuses["200"] == 1, "a helper that hands out tokens", whys)
        time.sleep(1)
        quiet = status_of(cluster.helper.pid)
        floods(cluster)
        # what it has once had in use, it keeps
        before = settled(cluster.helper.pid, quiet)
        everything(cluster, before)
        counted(cluster)
        say(cluster.helper.poll() is None and cluster.agent.poll() is None,
            "helper and agent live", f"{cluster.helper.poll()} {cluster.agent.poll()}")
    finally:
        codes = cluster.end()
    say(codes == [0, 0], "and end when they are told", str(codes))
    log = pathlib.Path("helper.log").read_text() + pathlib.Path("agent.log").read_text()
    say("SWMTKN" not in log and WORKER.hex() not in log, "no secret in their logs", "one")
    return failures != 0


def inside():
    """In a network and with mounts of our own, if we may."""
    loopback = f"ip link set lo up && ip addr add {PROBE}/32 dev lo && exec \"$@\""
    for own in ["unshare", "-nm"], ["unshare", "-rnm"]:
        command = own + ["sh", "-c", loopback, "sh"]
        if subprocess.run(command + ["true"], stderr=subprocess.DEVNULL).returncode == 0:
            os.environ["HOSTILE_INSIDE"] = "1"
            os.execvp(command[0], command + [sys.executable] + sys.argv)


if __name__ == "__main__":
    if "HOSTILE_INSIDE" not in os.environ:
        inside()
    where = tempfile.mkdtemp(prefix="azswarm-hostile-")
    os.chdir(where)
    failed = main()
    if failed:
        print(f"# logs are in {where}")
    else:
        shutil.rmtree(where)
    sys.exit(failed)
