"""Servers that tests/sh/ssh.sh meets which no package has: hostile ones.

	ssh_server.py PORT_FILE fake KIND [HOST_KEY_LINE_FILE]	speaks, up to where it lies
	ssh_server.py PORT_FILE between PORT KIND		in front of a real server
	ssh_server.py PORT_FILE inetd COMMAND...		a process per connection
	ssh_server.py PORT_FILE http				answers GET /N with N bytes
	ssh_server.py PORT_FILE echo | sink			for forwards
	ssh_server.py PATH unix					echo on a unix socket
	ssh_server.py PORT_FILE asyncssh HOST_KEY AUTHORIZED [lax]	a server of another
							hand, without strict key exchange

Only the last wants more than the standard library.  Ends on SIGTERM.
"""
import base64
import os
import socket
import struct
import subprocess
import sys
import threading
import time


def string(b):
    return struct.pack(">I", len(b)) + b


def packet(payload, pad=None):
    if pad is None:
        pad = 8 - (5 + len(payload)) % 8
        pad += 8 if pad < 4 else 0
    return struct.pack(">IB", 1 + len(payload) + pad, pad) + payload + b"\0" * pad


GOOD = [b"curve25519-sha256,kex-strict-s-v00@openssh.com",
        b"ecdsa-sha2-nistp256,rsa-sha2-256", b"aes128-gcm@openssh.com",
        b"aes128-gcm@openssh.com", b"", b"", b"none", b"none", b"", b""]


def kexinit(change=None, follows=b"\0"):
    lists = list(GOOD)
    for at, value in (change or {}).items():
        lists[at] = value
    return b"\x14" + b"c" * 16 + b"".join(string(x) for x in lists) + follows + b"\0" * 4


SHA1 = {0: b"diffie-hellman-group14-sha1,diffie-hellman-group1-sha1", 1: b"ssh-rsa,ssh-dss"}
IGNORE = packet(b"\x02" + string(b"x"))
NEWKEYS = packet(b"\x15")
BANNER = b"SSH-2.0-fake\r\n"


def reply(blob, point=b"\x09" + b"\0" * 31, sig=None):
    sig = sig or string(b"ecdsa-sha2-nistp256") + string(string(b"\x01" * 32) + string(b"\x02" * 32))
    return packet(b"\x1f" + string(blob) + string(point) + string(sig))


class Fake:
    """One connection of a server that does one thing wrong."""

    def __init__(self, c, kind, line):
        self.c, self.kind = c, kind
        self.blob = base64.b64decode(open(line).read().split()[1]) if line else b""

    def send(self, b):
        self.c.sendall(b)

    def take(self):
        """Their greeting and KEXINIT, as much as comes."""
        self.c.settimeout(1)
        try:
            while self.c.recv(65536):
                if self.kind != "patient":
                    return
        except OSError:
            pass

    def drain(self):
        """Until they hang up: closing with bytes unread would reset."""
        self.c.settimeout(5)
        try:
            while self.c.recv(65536):
                pass
        except OSError:
            pass

    def run(self):
        k = self.kind
        if k == "silent":
            time.sleep(20)
        elif k == "hangup":
            self.c.shutdown(socket.SHUT_RDWR)
        elif k == "endless-line":
            while True:
                self.send(b"x" * 1000)
        elif k == "endless-lines":
            while True:
                self.send(b"welcome\r\n")
        elif k == "drip":
            while True:
                self.send(b"x")
                time.sleep(0.05)
        elif k == "old":
            self.send(b"SSH-1.5-old\r\n")
        elif k == "http":
            self.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        elif k == "long-version":
            self.send(b"SSH-2.0-" + b"v" * 300 + b"\r\n")
        elif k == "hello-first":
            self.send(b"Hello\r\nto you\r\n" + BANNER + packet(kexinit({0: b"none-such"})))
        elif k == "huge-packet":
            self.send(BANNER + b"\x7f\xff\xff\xff" + b"x" * 1000)
        elif k == "tiny-packet":
            self.send(BANNER + b"\0\0\0\x01" + b"x" * 1000)
        elif k == "uneven-packet":
            self.send(BANNER + b"\0\0\0\x0d\x04" + b"x" * 100)
        elif k == "all-padding":
            self.send(BANNER + packet(b"", pad=11))
        elif k == "cut-kexinit":
            self.send(BANNER + packet(kexinit())[:60])
            self.c.shutdown(socket.SHUT_WR)
        elif k == "short-kexinit":
            self.send(BANNER + packet(kexinit()[:60]))
        elif k == "sha1":
            self.send(BANNER + packet(kexinit(SHA1)))
        elif k == "sha1-host":
            self.send(BANNER + packet(kexinit({1: SHA1[1]})))
        elif k == "no-cipher":
            self.send(BANNER + packet(kexinit({2: b"none,3des-cbc", 3: b"none,3des-cbc"})))
        elif k == "no-mac":
            self.send(BANNER + packet(kexinit({2: b"aes128-ctr", 3: b"aes128-ctr",
                                               4: b"none,hmac-sha1", 5: b"none,hmac-sha1"})))
        elif k == "compress":
            self.send(BANNER + packet(kexinit({6: b"zlib", 7: b"zlib"})))
        elif k == "ignore-first":
            self.send(BANNER + IGNORE + packet(kexinit()))
        elif k == "ignore-inside":
            self.send(BANNER + packet(kexinit()) + IGNORE)
        elif k == "newkeys-early":
            self.send(BANNER + packet(kexinit()) + NEWKEYS)
        elif k == "auth-early":
            self.send(BANNER + packet(kexinit()) + packet(b"\x34"))
        elif k == "kexinit-twice":
            self.send(BANNER + packet(kexinit()) * 2)
        elif k == "reply-early":
            self.send(BANNER + reply(self.blob) + packet(kexinit()))
        elif k == "ext-info-early":
            self.send(BANNER + packet(kexinit()) + packet(b"\x07" + struct.pack(">I", 0)))
        elif k == "bad-point":
            self.send(BANNER + packet(kexinit()) + reply(self.blob, point=b"\0" * 32))
        elif k == "bad-point-p256":
            self.send(BANNER + packet(kexinit({0: b"ecdh-sha2-nistp256"})) +
                      reply(self.blob, point=b"\x04" + b"\x01" * 64))
        elif k == "short-point":
            self.send(BANNER + packet(kexinit()) + reply(self.blob, point=b"\x09"))
        elif k == "forged":
            self.send(BANNER + packet(kexinit()) + reply(self.blob))
        elif k == "forged-empty":
            self.send(BANNER + packet(kexinit()) + reply(self.blob, sig=string(b"")))
        elif k == "guess":
            # a wrong guess is skipped, what follows is looked at
            self.send(BANNER + packet(kexinit({0: b"ecdh-sha2-nistp521,curve25519-sha256"},
                                              follows=b"\x01")) +
                      packet(b"\x1e" + string(b"guessed")) + reply(self.blob, point=b"\0" * 32))
        elif k == "disconnect":
            self.send(BANNER + packet(b"\x01" + struct.pack(">I", 12) +
                                      string(b"too \x1b[31mmany\r\nusers") + string(b"")))
        else:
            sys.exit("no such kind: " + k)
        self.drain()


class Between:
    """Passes bytes both ways; spoils what the server says."""

    def __init__(self, c, port, kind):
        self.c, self.kind = c, kind
        self.s = socket.create_connection(("127.0.0.1", port))

    def up(self):
        try:
            while True:
                b = self.c.recv(65536)
                if not b:
                    break
                self.s.sendall(b)
        except OSError:
            pass
        try:
            self.s.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read(self, n):
        b = b""
        while len(b) < n:
            more = self.s.recv(n - len(b))
            if not more:
                raise OSError("end")
            b += more
        return b

    def plain(self):
        head = self.read(4)
        return head + self.read(struct.unpack(">I", head)[0])

    def down(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self.read(1)
        self.c.sendall(line)
        seen = 0
        while True:
            p = self.plain()
            if self.kind == "inject" and p[5] == 0x1f:
                # the attack of 2023: one more packet before the keys ...
                self.c.sendall(IGNORE)
            self.c.sendall(p)
            if p[5] == 0x15:
                break
        if self.kind == "drop":
            # ... and the first one after them taken away
            self.read(struct.unpack(">I", self.read(4))[0] + 16)
        while True:
            b = self.s.recv(65536)
            if not b:
                break
            after = seen + len(b)
            if self.kind.startswith("flip:"):
                at = int(self.kind[5:])
                if seen <= at < after:
                    b = b[:at - seen] + bytes([b[at - seen] ^ 1]) + b[at - seen + 1:]
            if self.kind.startswith("cut:") and after >= int(self.kind[4:]):
                self.c.sendall(b[:int(self.kind[4:]) - seen])
                break
            if self.kind.startswith("stall:") and after >= int(self.kind[6:]):
                time.sleep(20)
            if self.kind == "bytes" and seen < 5000:
                for i in range(len(b)):
                    self.c.sendall(b[i:i + 1])
            else:
                self.c.sendall(b)
            seen = after
        self.c.shutdown(socket.SHUT_RDWR)
        self.s.close()

    def run(self):
        self.c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.up, daemon=True).start()
        self.down()


def http(c):
    f = c.makefile("rb")
    n = int(f.readline().split()[1][1:])
    c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % n)
    while n > 0:
        c.sendall(b"h" * min(n, 65536))
        n -= 65536
    c.close()


def echo(c):
    while True:
        b = c.recv(65536)
        if not b:
            break
        c.sendall(b)
    c.shutdown(socket.SHUT_WR)
    c.close()


def asyncssh_server(where, host_key, authorized, lax=None):
    import asyncio
    import asyncssh
    import asyncssh.connection

    if lax:
        # as it was before 2023: neither says strict nor hears it
        receive = asyncssh.connection.SSHConnection._process_kexinit

        def loose(self, *a):
            rc = receive(self, *a)
            self._strict_kex = False
            return rc

        handlers = asyncssh.connection.SSHConnection._packet_handlers
        handlers[20] = loose
        asyncssh.connection.SSHConnection._get_extra_kex_algs = lambda self: [b"ext-info-s"]

    async def handle(process):
        if process.command == "cat":
            while True:
                b = await process.stdin.read(65536)
                if not b:
                    break
                process.stdout.write(b)
                await process.stdout.drain()
            process.exit(0)
        elif process.command == "size":
            size = process.get_terminal_size()[:2]
            process.stdout.write(b"%s %r\n" % (process.get_terminal_type().encode(), size))
            process.exit(4)
        elif process.command == "signal":
            process.exit_with_signal("INT")
        else:
            process.stderr.write(b"what?\n")
            process.exit(5)

    class Server(asyncssh.SSHServer):
        def connection_requested(self, *a):
            return True

        def unix_connection_requested(self, path):
            return True

    async def run():
        s = await asyncssh.create_server(
            Server, "127.0.0.1", 0, server_host_keys=[host_key], encoding=None,
            authorized_client_keys=authorized, process_factory=handle,
            rekey_bytes=1 << 20, keepalive_interval=1)
        with open(where + ".tmp", "w") as f:
            f.write("%d\n" % s.sockets[0].getsockname()[1])
        os.rename(where + ".tmp", where)
        await asyncio.Event().wait()

    asyncio.run(run())


def quietly(f, *a):
    try:
        f(*a)
    except OSError:
        pass


def main():
    where, mode, args = sys.argv[1], sys.argv[2], sys.argv[3:]
    if mode == "asyncssh":
        asyncssh_server(where, *args)
    if mode == "unix":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(where)
    else:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
    listener.listen(200)
    if mode != "unix":
        with open(where + ".tmp", "w") as f:
            f.write("%d\n" % listener.getsockname()[1])
        os.rename(where + ".tmp", where)
    while True:
        c, _ = listener.accept()
        if mode == "inetd":
            subprocess.Popen(args, stdin=c, stdout=c)
            c.close()
            continue
        if mode == "fake":
            run = Fake(c, args[0], args[1] if len(args) > 1 else None).run
        elif mode == "between":
            run = Between(c, int(args[0]), args[1]).run
        else:
            def run(c=c):
                {"http": http, "echo": echo, "unix": echo}[mode](c)
        threading.Thread(target=quietly, args=(run,), daemon=True).start()


main()
