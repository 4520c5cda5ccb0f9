#!/usr/bin/env python3
"""Archives of images, as engines and others write them, and as nobody should:

	images.py KIND FILE [MIB [NAME [SEED]]]

saved	docker save before version 25: a config, manifest.json, layers
linked	the same with a layer that is a link to another image's, as docker save has
	it for layers that several images share; names by GNU and by pax headers
two	two images, NAME and other:1
index	an OCI layout: an index of two platforms with an attestation, and of a
	third that is not in it
out	a layer that is a link out of the archive
loop	one that is a link to itself
short	a config with one layer more than there are
twice	manifest.json once more, at the end, of an image that is not there
sizes	a header with a size beyond the archive's end
deep	an index that has an index, and so on
often	one that has an index 100 times, which has an index 100 times
alike	two images, which both say that their tag is 1, and no name
os	of a platform with a line's end in it
"""
import hashlib, io, json, random, sys, tarfile

def digest(b):
	return "sha256:" + hashlib.sha256(b).hexdigest()

def layer(n, seed):
	out = io.BytesIO()
	with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
		i = tarfile.TarInfo("data")
		i.size = n
		t.addfile(i, io.BytesIO(random.Random(seed).randbytes(n)))
	return out.getvalue()

def config(layers, arch="amd64"):
	return json.dumps({"architecture": arch, "os": "linux", "config": {"Cmd": ["/data"]},
		"rootfs": {"type": "layers", "diff_ids": [digest(l) for l in layers]}}).encode()

kind, path = sys.argv[1:3]
mib = int((sys.argv[3:] or ["1"])[0])
name = (sys.argv[4:] or ["made:1"])[0]
seed = int((sys.argv[5:] or ["1"])[0])
form = tarfile.PAX_FORMAT if seed % 2 else tarfile.GNU_FORMAT
t = tarfile.open(path, "w", format=form)

def put(name, b):
	i = tarfile.TarInfo(name)
	i.size = len(b)
	t.addfile(i, io.BytesIO(b))

def link(name, to, hard=False):
	i = tarfile.TarInfo(name)
	i.type, i.linkname = (tarfile.LNKTYPE if hard else tarfile.SYMTYPE), to
	t.addfile(i)

def saved(name, layers, files, more=0):
	c = config(layers + [b"x"] * more)
	put(digest(c)[7:] + ".json", c)
	return {"Config": digest(c)[7:] + ".json", "RepoTags": [name], "Layers": files}

layers = [layer(mib << 20, seed), layer(1000, -seed)]
files = ["%d/layer.tar" % k for k in range(2)]
long = "d" * 90 + "/" + "e" * 90

if kind in ("saved", "short", "twice", "two", "out", "loop"):
	for f, l in zip(files, layers):
		if kind == "out" and f == files[1]:
			link(f, "../../etc/passwd")
		elif kind == "loop" and f == files[1]:
			link(f, "layer.tar")
		else:
			put(f, l)
	list_ = [saved(name, layers, files, kind == "short")]
	if kind == "two":
		list_.append(saved("other:1", layers[:1], files[:1]))
	put("manifest.json", json.dumps(list_).encode())
	if kind == "twice":
		put("manifest.json", json.dumps([{"Config": "x", "RepoTags": [name], "Layers": []}]).encode())
elif kind == "linked":
	put("./%s/layer.tar" % long, layers[0])
	link("sym/layer.tar", "../%s/layer.tar" % long)
	put("1/layer.tar", layers[1])
	link("hard/layer.tar", "1/layer.tar", True)
	put("manifest.json", json.dumps([saved(name, layers, ["sym/layer.tar", "hard/layer.tar"])]).encode())
elif kind == "sizes":
	i = tarfile.TarInfo("manifest.json")
	i.size = 1 << 30
	t.fileobj.write(i.tobuf(tarfile.USTAR_FORMAT))
elif kind in ("index", "deep", "often", "os", "alike"):
	oci = "application/vnd.oci.image."
	def blob(b, type_, **more):
		put("blobs/sha256/" + digest(b)[7:], b)
		return dict(mediaType=type_, digest=digest(b), size=len(b), **more)
	def image(layers, arch, type_="layer.v1.tar", **more):
		doc = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
			"config": blob(config(layers, arch), oci + "config.v1+json"),
			"layers": [blob(l, oci + type_) for l in layers]}
		return blob(json.dumps(doc, indent=1).encode(), oci + "manifest.v1+json", **more)
	if kind == "os":
		config = lambda layers, arch: json.dumps({"architecture": arch, "os": "linux\r\nx-ms-meta-proof: 1",
			"rootfs": {"type": "layers", "diff_ids": [digest(l) for l in layers]}}).encode()
	def plat(arch):
		return {"architecture": arch, "os": "linux"}
	many = [image(layers, "amd64", platform=plat("amd64")),
		image(layers[:1], "arm64", platform=plat("arm64")),
		image([b"{}"], "unknown", platform={"architecture": "unknown", "os": "unknown"},
			annotations={"vnd.docker.reference.type": "attestation-manifest"}),
		{"mediaType": oci + "manifest.v1+json", "digest": digest(b"away"), "size": 4,
			"platform": plat("s390x")}]
	root = None
	often = 100 if kind == "often" else 1
	for k in range({"deep": 8, "often": 3}.get(kind, 1)):
		doc = {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [root] * often if root else many}
		root = blob(json.dumps(doc, indent=1).encode(), oci + "index.v1+json")
	if kind == "os":
		root = image(layers, "amd64")
	root["annotations"] = {"io.containerd.image.name": "docker.io/library/" + name}
	roots = [root]
	if kind == "alike":
		roots = [image(layers[:k], "amd64", annotations={"org.opencontainers.image.ref.name": "1"}) for k in (1, 2)]
	put("index.json", json.dumps({"schemaVersion": 2, "manifests": roots}).encode())
	put("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
	print(root["digest"])
else:
	sys.exit("no such kind: " + kind)
t.close()
