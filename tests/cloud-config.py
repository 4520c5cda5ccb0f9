#!/usr/bin/python3
"""What tests do with assets/cloud-init/node.yaml.

    cloud-config.py values master|agent URL PROGRAM KEY-DIR
            sample values as JSON, for a node that fetches PROGRAM from URL;
            KEY-DIR holds host, host.pub, host_rsa, host_rsa.pub and helper.key
    cloud-config.py fill TEMPLATE VALUES      the filled file on stdout
    cloud-config.py unpack FILE DIR           its files and host keys, below DIR
    cloud-config.py placeholders TEMPLATE     their names; exit 1 and why when
                                              one is not within double quotes
"""
import hashlib
import json
import pathlib
import re
import sys

import yaml

NAME = re.compile(r"@([A-Z0-9_]+)@")


def text(path):
    return pathlib.Path(path).read_text()


def values(role, url, program, keys):
    node = {
        "role": "manager" if role == "master" else "worker",
        "masters": [f"10.77.0.{10 + i}" for i in range(5)],
        "helper_pin": "a5" * 32,
        "worker_secret": "b6" * 32,
        "default_addr_pool": "10.192.0.0/12",
        "ingress_subnet": "10.208.0.0/20",
        "mtu": 1400,
    }
    if role == "master":
        node["manager_secret"] = "c7" * 32
    key = text(f"{keys}/helper.key") if role == "master" else ""
    digest = hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()
    return {
        "SSH_HOST_KEY": text(f"{keys}/host"),
        "SSH_HOST_KEY_PUB": text(f"{keys}/host.pub").strip(),
        "SSH_HOST_RSA_KEY": text(f"{keys}/host_rsa"),
        "SSH_HOST_RSA_KEY_PUB": text(f"{keys}/host_rsa.pub").strip(),
        "NODE_JSON": json.dumps(node, indent="\t") + "\n",
        "HELPER_KEY": key,
        "BINARY_URL": url,
        "BINARY_SHA256": digest,
        "STORAGE_HOST": "shared0mzg2nwy4ndq1odcx.file.core.windows.net",
        "SHARE_NAME": "data",
        "SHARE_CRED": "username=shared0mzg2nwy4ndq1odcx\npassword=" + "q+/Z" * 21 + "Zg==\n",
        "DOCKER_CHANNEL": "docker",
        "ADMIN_USERNAME": "cluster",
        "METADATA_FOR_CONTAINERS": "false",
    }


def fill(template, path):
    known = json.loads(text(path))

    def one(m):
        return json.dumps(known[m.group(1)])[1:-1]
    return NAME.sub(one, text(template))


def unpack(path, root):
    doc = yaml.safe_load(text(path))
    for f in doc["write_files"]:
        at = pathlib.Path(root + f["path"])
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(f["content"])
        at.chmod(int(f["permissions"], 8))
    for kind in ("ecdsa", "rsa"):
        ssh = pathlib.Path(root + f"/etc/ssh/ssh_host_{kind}_key")
        ssh.parent.mkdir(parents=True, exist_ok=True)
        ssh.write_text(doc["ssh_keys"][kind + "_private"])
        ssh.with_suffix(".pub").write_text(doc["ssh_keys"][kind + "_public"] + "\n")


def placeholders(path):
    """Every one stands in a double-quoted scalar, and nowhere else."""
    whole = text(path)
    quoted = set()
    for event in yaml.parse(whole):
        if isinstance(event, yaml.ScalarEvent) and event.style == '"':
            a, b = event.start_mark.index, event.end_mark.index
            quoted.update(range(a, b))
    names, bad = set(), []
    for m in NAME.finditer(whole):
        names.add(m.group(1))
        if m.start() not in quoted:
            line = whole.count("\n", 0, m.start()) + 1
            bad.append(f"line {line}: {m.group(0)} is not in double quotes")
    return sorted(names), bad


def main(argv):
    if len(argv) == 6 and argv[1] == "values":
        print(json.dumps(values(*argv[2:])))
    elif len(argv) == 4 and argv[1] == "fill":
        sys.stdout.write(fill(*argv[2:]))
    elif len(argv) == 4 and argv[1] == "unpack":
        unpack(*argv[2:])
    elif len(argv) == 3 and argv[1] == "placeholders":
        names, bad = placeholders(argv[2])
        print("\n".join(bad or names))
        return 1 if bad else 0
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
