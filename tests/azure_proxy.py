"""
A proxy for clients that go to Azure's own names whatever they are told: MSAL
asks login.microsoftonline.com about every authority, others cannot be told of
a port.  A CONNECT to one of the names ends here, in TLS, and goes on to the
local Azure; one to any other is refused, so nothing of a test leaves this
machine.

	python3 azure_proxy.py CERT KEY PORT-OF-THE-LOCAL-AZURE CA NAME...

CERT is for these names.  The first line printed is the proxy's own port.
"""
import select
import socket
import ssl
import sys
import threading


def relay(*ends):
    """Both ways, in one thread: a TLS socket is not for two at a time."""
    other = dict(zip(ends, reversed(ends)))
    while True:
        for a in [s for s in ends if s.pending()] or select.select(ends, [], [], 60)[0]:
            a.setblocking(False)
            try:
                data = a.recv(65536)
            except ssl.SSLWantReadError:
                continue
            finally:
                a.settimeout(60)
            if not data:
                return
            other[a].sendall(data)


def serve(client, inner, outer, port, names):
    with client:
        client.settimeout(60)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < 8192:
            data = client.recv(4096)
            if not data:
                return
            head += data
        line = head.split(b"\r\n")[0].decode("latin-1")
        print(line, file=sys.stderr, flush=True)
        host, _, to = line.split(" ")[1].rpartition(":")
        if not line.startswith("CONNECT ") or to != "443" or host not in names:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with inner.wrap_socket(client, server_side=True) as near, \
                socket.create_connection(("127.0.0.1", port), timeout=60) as s, \
                outer.wrap_socket(s, server_hostname="localhost") as far:
            relay(near, far)


def main(cert, key, port, ca, *names):
    inner = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inner.load_cert_chain(cert, key)
    outer = ssl.create_default_context(cafile=ca)
    with socket.create_server(("127.0.0.1", 0)) as s:
        print(s.getsockname()[1], flush=True)
        while True:
            client, _ = s.accept()
            threading.Thread(target=serve, args=(client, inner, outer, int(port), names),
                             daemon=True).start()


main(*sys.argv[1:])
