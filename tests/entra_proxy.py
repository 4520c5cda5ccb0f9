"""
A proxy for a program that asks login.microsoftonline.com whether it knows an
authority, whatever cloud it was told to use (MSAL's instance discovery).  A
CONNECT to that host ends here, in TLS, and goes on to the local Azure; one to
any other host is refused, so nothing of the test leaves this machine.

	python3 entra_proxy.py CERT KEY PORT-OF-THE-LOCAL-AZURE CA

The first line it prints is its own port.
"""
import socket
import ssl
import sys
import threading

HOST = "login.microsoftonline.com"


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, inner, outer, port):
    with client:
        client.settimeout(60)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < 8192:
            data = client.recv(4096)
            if not data:
                return
            head += data
        target = head.split(b" ", 2)[1].decode("latin-1")
        print(head.split(b"\r\n")[0].decode("latin-1"), file=sys.stderr, flush=True)
        if not head.startswith(b"CONNECT ") or target != HOST + ":443":
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with inner.wrap_socket(client, server_side=True) as near, \
                socket.create_connection(("127.0.0.1", port), timeout=60) as s, \
                outer.wrap_socket(s, server_hostname="localhost") as far:
            threading.Thread(target=pump, args=(near, far), daemon=True).start()
            pump(far, near)


def main(cert, key, port, ca):
    inner = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inner.load_cert_chain(cert, key)
    outer = ssl.create_default_context(cafile=ca)
    with socket.create_server(("127.0.0.1", 0)) as s:
        print(s.getsockname()[1], flush=True)
        while True:
            client, _ = s.accept()
            threading.Thread(target=serve, args=(client, inner, outer, int(port)), daemon=True).start()


main(*sys.argv[1:])
