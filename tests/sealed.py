#!/usr/bin/env python3
"""Opens and makes sealed files (tls/seal.h) with somebody else's cryptography.

    sealed.py open KEY <FILE >CONTENT       the header goes to stderr
    sealed.py seal KEY HEADER <CONTENT >FILE
    sealed.py seal KEY HEADER SALT <CONTENT >FILE

KEY is a file of 64 hex digits, SALT 64 hex digits.  Ends with 1 and a word
when a file is not whole.
"""
import os
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"azswarm sealed 1\n"
CHUNK = 65536


def cipher(key, salt, header):
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt, MAGIC + header).derive(key))


def nonce(number, last):
    return bytes([0, 0, 0, last]) + number.to_bytes(8, "big")


def seal(key, header, salt, content):
    c = cipher(key, salt, header)
    out = MAGIC + salt + len(header).to_bytes(2, "big") + header
    pieces = [content[i:i + CHUNK] for i in range(0, len(content), CHUNK)] or [b""]
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        prefix = (last << 31 | len(piece)).to_bytes(4, "big")
        out += prefix + c.encrypt(nonce(number, last), piece, prefix)
    return out


def unseal(key, data):
    if data[:17] != MAGIC:
        sys.exit("foreign")
    salt, n = data[17:49], int.from_bytes(data[49:51], "big")
    header, at, number, last, out = data[51:51 + n], 51 + n, 0, False, b""
    c = cipher(key, salt, header)
    while not last:
        prefix = data[at:at + 4]
        if len(prefix) < 4:
            sys.exit("cut")
        last, n = prefix[0] >> 7, int.from_bytes(prefix, "big") & 0x7FFFFFFF
        if n > CHUNK or len(data) < at + 20 + n:
            sys.exit("cut")
        try:
            out += c.decrypt(nonce(number, last), data[at + 4:at + 20 + n], prefix)
        except InvalidTag:
            sys.exit("changed")
        at, number = at + 20 + n, number + 1
    if at != len(data):
        sys.exit("behind")
    return header, out


def main():
    key = bytes.fromhex(open(sys.argv[2]).read().strip())
    data = sys.stdin.buffer.read()
    if sys.argv[1] == "open":
        header, data = unseal(key, data)
        print(header.decode(), file=sys.stderr)
    else:
        salt = bytes.fromhex(sys.argv[4]) if len(sys.argv) > 4 else os.urandom(32)
        data = seal(key, sys.argv[3].encode(), salt, data)
    sys.stdout.buffer.write(data)


main()
