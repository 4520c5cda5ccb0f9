#!/usr/bin/env python3
"""An OCI layout in a tar archive, of an image that runs:

	layout.py FILE PROGRAM [WORD]...

of whose words each says what is not as it is otherwise:

docker	manifests and configs are of Docker's kind; otherwise of OCI's
zstd	how layers are packed, or plain; otherwise gzip
many	an index: for amd64, for arm64 (whose program is amd64's), and an
	attestation; otherwise a manifest
N x M	"3x2": as many layers more, of that many MiB of noise
other	another word in the image's file "note": another image

Prints the digest of what index.json names.
"""
import gzip, hashlib, io, json, random, re, subprocess, sys, tarfile

path, program, *words = sys.argv[1:]
docker = "docker" in words
kind = "application/vnd.docker." if docker else "application/vnd.oci.image."
names = {
	"layer": ("image.rootfs.diff.tar", "layer.v1.tar")[not docker],
	"config": ("container.image.v1+json", "config.v1+json")[not docker],
	"manifest": ("distribution.manifest.v2+json", "manifest.v1+json")[not docker],
	"index": ("distribution.manifest.list.v2+json", "index.v1+json")[not docker],
}
packing = next((w for w in words if w in ("zstd", "plain")), "gzip")
# Docker's kind calls a layer that is gzip's ".tar.gzip", and knows no zstd
ends = {"gzip": ".gzip" if docker else "+gzip", "zstd": "+zstd", "plain": ""}[packing]
note = next((w for w in words if w not in ("docker", "zstd", "plain", "many") and
	not re.match("[0-9]+x[0-9]+$", w)), "note")
out = tarfile.open(path, "w")

def put(name, b):
	i = tarfile.TarInfo(name)
	i.size = len(b)
	out.addfile(i, io.BytesIO(b))

written = set()
def blob(b, what, more="", **fields):
	digest = "sha256:" + hashlib.sha256(b).hexdigest()
	if digest not in written:
		put("blobs/sha256/" + digest[7:], b)
	written.add(digest)
	return dict(mediaType=kind + names[what] + more, digest=digest, size=len(b), **fields)

def layer(files):
	b = io.BytesIO()
	with tarfile.open(fileobj=b, mode="w", format=tarfile.USTAR_FORMAT) as t:
		for name, content in files:
			i = tarfile.TarInfo(name)
			i.size, i.mode = len(content), 0o755
			t.addfile(i, io.BytesIO(content))
	return b.getvalue()

def packed(b):
	if packing == "zstd":
		return subprocess.run(["zstd", "-qc"], input=b, stdout=subprocess.PIPE, check=True).stdout
	return gzip.compress(b, 1, mtime=0) if packing == "gzip" else b

def image(arch, layers, parts=None, **fields):
	config = {"architecture": arch, "os": "linux",
		"config": {"Cmd": ["/azswarm", "version"]},
		"rootfs": {"type": "layers",
			"diff_ids": ["sha256:" + hashlib.sha256(l).hexdigest() for l in layers]}}
	doc = {"schemaVersion": 2, "mediaType": kind + names["manifest"],
		"config": blob(json.dumps(config).encode(), "config"),
		"layers": parts or [blob(packed(l), "layer", ends) for l in layers]}
	return blob(json.dumps(doc, indent=1).encode(), "manifest", **fields)

with open(program, "rb") as f:
	layers = [layer([("azswarm", f.read()), ("note", note.encode())])]
for word in words:
	if re.match("[0-9]+x[0-9]+$", word):
		n, mib = (int(k) for k in word.split("x"))
		layers += [layer([("noise%d" % k, random.Random("%s %d" % (note, k)).randbytes(mib << 20))])
			for k in range(n)]
if "many" in words:
	def platform(arch):
		return {"architecture": arch, "os": "linux"}
	amd64 = image("amd64", layers, platform=platform("amd64"))
	doc = {"schemaVersion": 2, "mediaType": kind + names["index"], "manifests": [amd64,
		image("arm64", layers + [layer([("arm", b"64")])], platform=platform("arm64"))]}
	if not docker:
		said = json.dumps({"_type": "https://in-toto.io/Statement/v0.1"}).encode()
		part = dict(blob(said, "layer"), mediaType="application/vnd.in-toto+json")
		doc["manifests"].append(image("unknown", [said], [part],
			platform={"architecture": "unknown", "os": "unknown"},
			annotations={"vnd.docker.reference.type": "attestation-manifest",
				"vnd.docker.reference.digest": amd64["digest"]}))
	root = blob(json.dumps(doc, indent=1).encode(), "index")
else:
	root = image("amd64", layers)
put("index.json", json.dumps({"schemaVersion": 2, "manifests": [root]}).encode())
put("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
out.close()
print(root["digest"])
