#!/usr/bin/env python3
"""The same requests to a blob service, and what it answers, in a form that can
be compared: once to Microsoft's local one (azurite), once to ours.

	blob_twin.py URL ACCOUNT KEY [CA]	prints one line of JSON a request
	blob_twin.py --compare THEIRS OURS	says where two such outputs differ,
						and is 1 when they do

URL is http://127.0.0.1:PORT/ACCOUNT or https://ACCOUNT.HOST:PORT, which is then
looked for on 127.0.0.1.  The container "twin" must be there, and empty.
"""
import base64, hashlib, hmac, http.client, json, re, ssl, socket, sys, time
import urllib.parse
import xml.etree.ElementTree as ET

# Where azurite is not what Microsoft's pages say of the service, and ours is.
KNOWN = {
	"metadata: get": "Get Blob Metadata has no body and no properties",
	"create: there": "the code for this is UnauthorizedBlobOverwrite",
	"create: only new, there": "the condition is asked before the permission to overwrite",
	"lease: broken, put with it": "LeaseLost: an ID was given, and the lease has ended",
	"short: put with it": "LeaseLost: an ID was given, and the lease has ended",
	"list: uncommitted": "Get Block List has an ETag only of what is committed",
}

def compare(theirs, ours):
	bad = 0
	a, b = ([json.loads(l) for l in open(f)] for f in (theirs, ours))
	for x, y in zip(a, b):
		if x["status"] == y["status"] == 400 and "x-ms-error-code" not in x:
			y.pop("x-ms-error-code", None)	# azurite has no code for what its parser refuses
		if x != y and (x["step"] != y["step"] or x["step"] not in KNOWN):
			print("theirs", json.dumps(x, sort_keys=True))
			print("ours  ", json.dumps(y, sort_keys=True))
			bad += 1
		elif x == y and x["step"] in KNOWN:
			print("no longer another answer:", x["step"])
			bad += 1
	if len(a) != len(b) or not a:
		print(len(a), "answers of theirs,", len(b), "of ours")
		bad += 1
	print(len(a), "answers compared,", bad, "differ")
	sys.exit(1 if bad else 0)

if sys.argv[1] == "--compare":
	compare(*sys.argv[2:4])
url, account, key = sys.argv[1:4]
where = urllib.parse.urlsplit(url)
ctx = None
if where.scheme == "https":
	ctx = ssl.create_default_context(cafile=sys.argv[4])

def connect():
	c = http.client.HTTPConnection("127.0.0.1", where.port, timeout=60)
	if ctx:
		c.sock = ctx.wrap_socket(socket.create_connection(("127.0.0.1", where.port), 60),
					 server_hostname=where.hostname)
	return c

def signed(blob, perms):
	"""A service SAS ("Create a service SAS", version 2020-12-06 and later); "c:r" is of
	the container and all that is in it."""
	kind = "b" if blob and not perms.startswith("c:") else "c"
	perms = perms.removeprefix("c:")
	resource = f"/blob/{account}/twin" + (f"/{blob}" if kind == "b" else "")
	sv, se = "2021-12-02", "2099-01-01T00:00:00Z"
	text = "\n".join([perms, "", se, resource, "", "", "", sv, kind] + [""] * 7)
	sig = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest())
	return {"sv": sv, "se": se, "sr": kind, "sp": perms, "sig": sig.decode()}

kept = {}	# ETags that a step keeps by a name

def ask(method, blob, perms, query, headers, body):
	q = dict(query)
	q.update(signed(blob, perms))
	path = where.path + "/twin" + ("/" + urllib.parse.quote(blob) if blob else "")
	h = {"Host": where.netloc, "x-ms-version": "2021-12-02", "Content-Length": str(len(body))}
	for k, v in headers.items():
		h[k] = kept.get(v[1:], v) if v.startswith("@") else v
	if method in ("GET", "HEAD", "DELETE"):
		del h["Content-Length"]
	c = connect()
	c.putrequest(method, path + "?" + urllib.parse.urlencode(q), skip_host=True, skip_accept_encoding=True)
	for k, v in h.items():
		c.putheader(k, v)
	c.endheaders(body if body else None)
	r = c.getresponse()
	data = r.read()
	c.close()
	return r, data

TOLD = ["x-ms-error-code", "x-ms-blob-type", "x-ms-lease-status", "x-ms-lease-state",
	"x-ms-lease-duration", "x-ms-lease-id", "x-ms-blob-append-offset",
	"x-ms-blob-committed-block-count", "content-range", "cache-control",
	"content-disposition", "content-encoding", "content-language"]

def xml_of(data):
	root = ET.fromstring(data.decode("utf-8-sig"))
	if root.tag == "BlockList":
		return {part.tag: [[b.findtext("Name"), int(b.findtext("Size"))] for b in part]
			for part in root if len(part)}	# azurite has the other one, too, empty
	out = {"names": [], "more": bool(root.findtext("NextMarker"))}
	for b in root.find("Blobs"):
		if b.tag == "BlobPrefix":
			out["names"].append([b.findtext("Name"), "prefix"])
			continue
		p = b.find("Properties")
		meta = b.find("Metadata")
		out["names"].append([b.findtext("Name"), int(p.findtext("Content-Length")), p.findtext("Content-Type") or None, p.findtext("BlobType"),
				     p.findtext("LeaseStatus"), p.findtext("LeaseState"),
				     None if meta is None else {m.tag.lower(): m.text for m in meta}])
	# the service mixes folders and blobs by their names, azurite has folders first
	out["names"].sort(key=lambda n: n[0])
	kept["marker"] = root.findtext("NextMarker") or ""
	return out

def step(name, method, blob, perms, query=(), headers=(), body=b"", keep=None):
	query = {k: kept.get(v[1:], "") if v.startswith("@") else v for k, v in dict(query).items()}
	r, data = ask(method, blob, perms, query, dict(headers), body)
	out = {"step": name, "status": r.status}
	for k in TOLD:
		if r.getheader(k) is not None:
			out[k] = r.getheader(k)
	meta = {k.lower(): v for k, v in r.getheaders() if k.lower().startswith("x-ms-meta-")}
	if meta:
		out["meta"] = meta
	if r.getheader("x-ms-lease-time") is not None:	# a second may pass
		out["lease-time"] = "0" if r.getheader("x-ms-lease-time") == "0" else "some"
	if r.status in (200, 206) and query.get("comp") in ("list", "blocklist"):
		out["xml"] = xml_of(data)
	elif r.status in (200, 206) and method == "GET":
		out["body"] = data.decode("latin-1") if len(data) < 200 else hashlib.sha256(data).hexdigest()
		out["type"] = r.getheader("Content-Type")
	if r.status in (200, 206) and method == "HEAD":
		out["length"] = r.getheader("Content-Length")
	if r.status < 300 and method != "DELETE" and query.get("comp") not in ("block", "list"):
		out["etag"] = bool(re.fullmatch(r'"[^"]+"', r.getheader("ETag") or ""))
	if keep:
		kept[keep] = r.getheader("ETag")
	print(json.dumps(out, sort_keys=True), flush=True)

ALL = "racwd"
BLOCK = {"x-ms-blob-type": "BlockBlob"}
APPEND = {"x-ms-blob-type": "AppendBlob"}
A, B = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
def block_id(n): return base64.b64encode(b"block-%04d" % n).decode()
def block_list(*ids): return ("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n" +
	"".join(f"  <{k}>{i}</{k}>\n" for k, i in ids) + "</BlockList>").encode()
def lease(action, **h):
	d = {"x-ms-lease-action": action}
	d.update({"x-ms-" + k.replace("_", "-"): v for k, v in h.items()})
	return d

# ---- a lease that ends by itself begins first: fifteen seconds are the least
step("short: put", "PUT", "short", ALL, (), BLOCK, b"1")
step("short: lease", "PUT", "short", ALL, {"comp": "lease"}, lease("acquire", lease_duration="15", proposed_lease_id=A))
began = time.monotonic()

# ---- put, get, conditions
step("put", "PUT", "a", ALL, (), {**BLOCK, "Content-Type": "text/plain", "x-ms-meta-who": "me", "x-ms-meta-Count": "2"}, b"hello", keep="first")
step("get", "GET", "a", ALL)
step("head", "HEAD", "a", ALL)
step("get a part", "GET", "a", ALL, (), {"Range": "bytes=1-3"})
step("get the end", "GET", "a", ALL, (), {"x-ms-range": "bytes=3-"})
step("get behind the end", "GET", "a", ALL, (), {"Range": "bytes=9-"})
step("what is not there", "GET", "none", ALL)
step("head of what is not there", "HEAD", "none", ALL)
step("only new: there", "PUT", "a", ALL, (), {**BLOCK, "If-None-Match": "*"}, b"x")
step("only new: not there", "PUT", "new", ALL, (), {**BLOCK, "If-None-Match": "*"}, b"x")
step("if it is that one: it is", "PUT", "a", ALL, (), {**BLOCK, "If-Match": "@first"}, b"hello again", keep="second")
step("if it is that one: no longer", "PUT", "a", ALL, (), {**BLOCK, "If-Match": "@first"}, b"x")
step("if it is that one: nothing there", "PUT", "none", ALL, (), {**BLOCK, "If-Match": "@first"}, b"x")
step("unless it is that one", "PUT", "a", ALL, (), {**BLOCK, "If-None-Match": "@second"}, b"x")
step("get if it is that one", "GET", "a", ALL, (), {"If-Match": "@second"})
step("get if it is another", "GET", "a", ALL, (), {"If-Match": "@first"})
step("get unless it is that one", "GET", "a", ALL, (), {"If-None-Match": "@second"})
step("get unless it is another", "GET", "a", ALL, (), {"If-None-Match": "@first"})
step("get unless it is there", "GET", "a", ALL, (), {"If-None-Match": "*"})
step("get since the future", "GET", "a", ALL, (), {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})
step("get since the past", "GET", "a", ALL, (), {"If-Modified-Since": "Fri, 01 Jan 2021 00:00:00 GMT"})
step("get unmodified since the past", "GET", "a", ALL, (), {"If-Unmodified-Since": "Fri, 01 Jan 2021 00:00:00 GMT"})
step("put unmodified since the past", "PUT", "a", ALL, (), {**BLOCK, "If-Unmodified-Since": "Fri, 01 Jan 2021 00:00:00 GMT"}, b"x")
step("put since the future", "PUT", "a", ALL, (), {**BLOCK, "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, b"x")
step("delete if it is another", "DELETE", "a", ALL, (), {"If-Match": "@first"})
step("a name in capitals is another", "GET", "A", ALL)
step("no kind", "PUT", "a", ALL, (), {}, b"x")
step("a kind that there is not", "PUT", "a", ALL, (), {"x-ms-blob-type": "NoBlob"}, b"x")

# ---- permissions
step("put to read", "PUT", "p", "r", (), BLOCK, b"x")
step("create", "PUT", "p", "c", (), BLOCK, b"x")
step("create: there", "PUT", "p", "c", (), BLOCK, b"y")
step("create: only new, there", "PUT", "p", "c", (), {**BLOCK, "If-None-Match": "*"}, b"y")
step("read to write", "GET", "p", "cw")
step("metadata by create", "PUT", "p", "c", {"comp": "metadata"}, {"x-ms-meta-a": "b"})
step("block by create", "PUT", "p", "c", {"comp": "block", "blockid": block_id(1)}, {}, b"x")
step("lease by create", "PUT", "p", "c", {"comp": "lease"}, lease("acquire", lease_duration="-1", proposed_lease_id=A))
step("append by add", "PUT", "p", "a", {"comp": "appendblock"}, {}, b"x")
step("delete by write", "DELETE", "p", "w")
step("list by read", "GET", "", "r", {"restype": "container", "comp": "list"})

# ---- metadata and properties
step("metadata", "PUT", "a", ALL, {"comp": "metadata"}, {"x-ms-meta-who": "you", "x-ms-meta-what": "x"})
step("metadata: get", "GET", "a", ALL, {"comp": "metadata"})
step("metadata: none", "PUT", "a", ALL, {"comp": "metadata"})
step("metadata: of nothing", "PUT", "none", ALL, {"comp": "metadata"}, {"x-ms-meta-a": "b"})
step("metadata: another version", "PUT", "a", ALL, {"comp": "metadata"}, {"x-ms-meta-a": "b", "If-Match": "@first"})
step("properties", "PUT", "a", ALL, {"comp": "properties"}, {"x-ms-blob-content-type": "text/html", "x-ms-blob-cache-control": "no-store",
	"x-ms-blob-content-disposition": "inline", "x-ms-blob-content-encoding": "identity", "x-ms-blob-content-language": "en"})
step("properties: head", "HEAD", "a", ALL)
step("properties: of nothing", "PUT", "none", ALL, {"comp": "properties"})

# ---- leases
step("lease: of nothing", "PUT", "none", ALL, {"comp": "lease"}, lease("acquire", lease_duration="-1"))
step("lease: too short", "PUT", "a", ALL, {"comp": "lease"}, lease("acquire", lease_duration="14"))
step("lease: too long", "PUT", "a", ALL, {"comp": "lease"}, lease("acquire", lease_duration="61"))
step("lease: renew none", "PUT", "a", ALL, {"comp": "lease"}, lease("renew", lease_id=A))
step("lease: release none", "PUT", "a", ALL, {"comp": "lease"}, lease("release", lease_id=A))
step("lease: break none", "PUT", "a", ALL, {"comp": "lease"}, lease("break"))
step("lease: change none", "PUT", "a", ALL, {"comp": "lease"}, lease("change", lease_id=A, proposed_lease_id=B))
step("lease: acquire", "PUT", "a", ALL, {"comp": "lease"}, lease("acquire", lease_duration="60", proposed_lease_id=A))
step("lease: head", "HEAD", "a", ALL)
step("lease: the same again", "PUT", "a", ALL, {"comp": "lease"}, lease("acquire", lease_duration="60", proposed_lease_id=A))
step("lease: another", "PUT", "a", ALL, {"comp": "lease"}, lease("acquire", lease_duration="60", proposed_lease_id=B))
step("lease: put without it", "PUT", "a", ALL, (), BLOCK, b"x")
step("lease: put with another", "PUT", "a", ALL, (), {**BLOCK, "x-ms-lease-id": B}, b"x")
step("lease: put with it", "PUT", "a", ALL, (), {**BLOCK, "x-ms-lease-id": A}, b"leased")
step("lease: get without it", "GET", "a", ALL)
step("lease: get with another", "GET", "a", ALL, (), {"x-ms-lease-id": B})
step("lease: metadata without it", "PUT", "a", ALL, {"comp": "metadata"}, {"x-ms-meta-a": "b"})
step("lease: metadata with it", "PUT", "a", ALL, {"comp": "metadata"}, {"x-ms-meta-a": "b", "x-ms-lease-id": A})
step("lease: block without it", "PUT", "a", ALL, {"comp": "block", "blockid": block_id(1)}, {}, b"x")
step("lease: delete without it", "DELETE", "a", ALL)
step("lease: renew", "PUT", "a", ALL, {"comp": "lease"}, lease("renew", lease_id=A))
step("lease: renew another", "PUT", "a", ALL, {"comp": "lease"}, lease("renew", lease_id=B))
step("lease: change", "PUT", "a", ALL, {"comp": "lease"}, lease("change", lease_id=A, proposed_lease_id=B))
step("lease: change again", "PUT", "a", ALL, {"comp": "lease"}, lease("change", lease_id=A, proposed_lease_id=B))
step("lease: release another", "PUT", "a", ALL, {"comp": "lease"}, lease("release", lease_id=A))
step("lease: break for long", "PUT", "a", ALL, {"comp": "lease"}, lease("break", lease_break_period="61"))
step("lease: break", "PUT", "a", ALL, {"comp": "lease"}, lease("break", lease_break_period="30"))
step("lease: breaking", "HEAD", "a", ALL)
step("lease: breaking, acquire", "PUT", "a", ALL, {"comp": "lease"}, lease("acquire", lease_duration="60", proposed_lease_id=B))
step("lease: breaking, another", "PUT", "a", ALL, {"comp": "lease"}, lease("acquire", lease_duration="60", proposed_lease_id=A))
step("lease: breaking, renew", "PUT", "a", ALL, {"comp": "lease"}, lease("renew", lease_id=B))
step("lease: breaking, put with it", "PUT", "a", ALL, (), {**BLOCK, "x-ms-lease-id": B}, b"breaking")
step("lease: breaking, put", "PUT", "a", ALL, (), BLOCK, b"x")
step("lease: break now", "PUT", "a", ALL, {"comp": "lease"}, lease("break", lease_break_period="0"))
step("lease: broken", "HEAD", "a", ALL)
step("lease: broken, renew", "PUT", "a", ALL, {"comp": "lease"}, lease("renew", lease_id=B))
step("lease: broken, put with it", "PUT", "a", ALL, (), {**BLOCK, "x-ms-lease-id": B}, b"x")
step("lease: broken, break", "PUT", "a", ALL, {"comp": "lease"}, lease("break"))
step("lease: broken, put", "PUT", "a", ALL, (), BLOCK, b"broken")
step("lease: gone", "HEAD", "a", ALL)
step("lease: without end", "PUT", "a", "w", {"comp": "lease"}, lease("acquire", lease_duration="-1", proposed_lease_id=A))
step("lease: without end, head", "HEAD", "a", ALL)
step("lease: without end, renew", "PUT", "a", ALL, {"comp": "lease"}, lease("renew", lease_id=A))
step("lease: broken by who may delete", "PUT", "a", "d", {"comp": "lease"}, lease("break"))
step("lease: again", "PUT", "a", ALL, {"comp": "lease"}, lease("acquire", lease_duration="-1", proposed_lease_id=B))
step("lease: release", "PUT", "a", ALL, {"comp": "lease"}, lease("release", lease_id=B))
step("lease: without an action", "PUT", "a", ALL, {"comp": "lease"})
step("lease: action unknown", "PUT", "a", ALL, {"comp": "lease"}, lease("keep", lease_id=A))
step("lease: none, put with one", "PUT", "a", ALL, (), {**BLOCK, "x-ms-lease-id": A}, b"x")

# ---- append
step("append: to nothing", "PUT", "log", ALL, {"comp": "appendblock"}, {}, b"x")
step("append: make", "PUT", "log", ALL, (), {**APPEND, "If-None-Match": "*"})
step("append: make again", "PUT", "log", ALL, (), {**APPEND, "If-None-Match": "*"})
step("append", "PUT", "log", ALL, {"comp": "appendblock"}, {}, b"one\n")
step("append: by add", "PUT", "log", "a", {"comp": "appendblock"}, {}, b"two\n", keep="log")
step("append: at its end", "PUT", "log", ALL, {"comp": "appendblock"}, {"x-ms-blob-condition-appendpos": "8"}, b"three\n")
step("append: not at its end", "PUT", "log", ALL, {"comp": "appendblock"}, {"x-ms-blob-condition-appendpos": "8"}, b"four\n")
step("append: over a size", "PUT", "log", ALL, {"comp": "appendblock"}, {"x-ms-blob-condition-maxsize": "15"}, b"four\n")
step("append: another version", "PUT", "log", ALL, {"comp": "appendblock"}, {"If-Match": "@log"}, b"four\n")
step("append: nothing", "PUT", "log", ALL, {"comp": "appendblock"}, {})
step("append: get", "GET", "log", ALL)
step("append: to a block blob", "PUT", "a", ALL, {"comp": "appendblock"}, {}, b"x")
step("append: block", "PUT", "log", ALL, {"comp": "block", "blockid": block_id(1)}, {}, b"x")

# ---- blocks
big = bytes(range(256)) * 1024
step("block", "PUT", "b", ALL, {"comp": "block", "blockid": block_id(1)}, {}, big)
step("block: no blob", "GET", "b", ALL)
step("block: another", "PUT", "b", ALL, {"comp": "block", "blockid": block_id(2)}, {}, b"second")
step("block: again", "PUT", "b", ALL, {"comp": "block", "blockid": block_id(2)}, {}, b"two")
step("block: id of another length", "PUT", "b", ALL, {"comp": "block", "blockid": base64.b64encode(b"x").decode()}, {}, b"x")
step("block: id that is none", "PUT", "b", ALL, {"comp": "block", "blockid": "***"}, {}, b"x")
step("list: uncommitted", "GET", "b", ALL, {"comp": "blocklist", "blocklisttype": "all"})
step("list: not in the container", "GET", "", "l", {"restype": "container", "comp": "list", "prefix": "b"})
step("list: in it when asked", "GET", "", "l", {"restype": "container", "comp": "list", "prefix": "b", "include": "uncommittedblobs"})
step("list: with one that is not", "PUT", "b", ALL, {"comp": "blocklist"}, {}, block_list(("Latest", block_id(9))))
step("list: no XML", "PUT", "b", ALL, {"comp": "blocklist"}, {}, b"<BlockList><Latest>")
step("list: put", "PUT", "b", ALL, {"comp": "blocklist"}, {"x-ms-blob-content-type": "application/x-layer", "x-ms-meta-n": "1"},
	block_list(("Latest", block_id(2)), ("Uncommitted", block_id(1)), ("Latest", block_id(2))))
step("list: head", "HEAD", "b", ALL)
step("list: get", "GET", "b", ALL)
step("list: get over an edge", "GET", "b", ALL, (), {"Range": "bytes=1-5"})
step("list: get the end", "GET", "b", ALL, (), {"Range": "bytes=262145-"})
step("list: committed", "GET", "b", ALL, {"comp": "blocklist", "blocklisttype": "all"})
step("list: more", "PUT", "b", ALL, {"comp": "block", "blockid": block_id(3)}, {}, b"3")
step("list: by default what is committed", "GET", "b", ALL, {"comp": "blocklist"})
step("list: only what is not", "GET", "b", ALL, {"comp": "blocklist", "blocklisttype": "uncommitted"})
step("list: committed as it was not", "PUT", "b", ALL, {"comp": "blocklist"}, {}, block_list(("Committed", block_id(3))))
step("list: both", "PUT", "b", ALL, {"comp": "blocklist"}, {}, block_list(("Committed", block_id(2)), ("Latest", block_id(3))))
step("list: both, get", "GET", "b", ALL)
step("list: what was left out is gone", "PUT", "b", ALL, {"comp": "blocklist"}, {}, block_list(("Committed", block_id(1))))
step("list: only new, there", "PUT", "b", ALL, {"comp": "blocklist"}, {"If-None-Match": "*"}, block_list(("Latest", block_id(3))))
step("list: empty", "PUT", "b", ALL, {"comp": "blocklist"}, {}, block_list())
step("list: empty, get", "GET", "b", ALL)
step("list: of nothing", "GET", "none", ALL, {"comp": "blocklist"})

# ---- what a container holds
for n in ("dir/one", "dir/two", "dir/sub/three", "dir2/four", "z<&>", "Zebra"):
	step("put " + n, "PUT", n, ALL, (), {**BLOCK, "x-ms-meta-n": "1"}, b"12")
LIST = {"restype": "container", "comp": "list"}
step("all", "GET", "", "l", LIST)
step("metadata of all", "GET", "", "l", {**LIST, "include": "metadata", "prefix": "dir"})
step("a prefix", "GET", "", "l", {**LIST, "prefix": "dir/"})
step("a folder", "GET", "", "l", {**LIST, "prefix": "dir/", "delimiter": "/"})
step("folders", "GET", "", "l", {**LIST, "delimiter": "/"})
step("two", "GET", "", "l", {**LIST, "prefix": "dir", "maxresults": "2"})
step("the next two", "GET", "", "l", {**LIST, "prefix": "dir", "maxresults": "2", "marker": "@marker"})
step("none at a time", "GET", "", "l", {**LIST, "maxresults": "0"})
step("nothing", "GET", "", "l", {**LIST, "prefix": "nothing"})
step("delete", "DELETE", "Zebra", ALL)
step("delete again", "DELETE", "Zebra", ALL)

# ---- by an address of the container, as nodes read what was pushed
TYPE = {"x-ms-blob-content-type": "application/vnd.oci.image.index.v1+json"}
SUM = "blobs/sha256/" + hashlib.sha256(big).hexdigest()
step("pushed: a block", "PUT", SUM, "c:rcw", {"comp": "block", "blockid": block_id(1)}, {}, big)
step("pushed: its list", "PUT", SUM, "c:rcw", {"comp": "blocklist"}, TYPE, block_list(("Latest", block_id(1))))
step("pushed: a tag", "PUT", "manifests/a/b/latest", "c:rcw", (), {**BLOCK, **TYPE}, b"{}")
step("pushed: read", "GET", SUM, "c:rl")
step("pushed: head", "HEAD", SUM, "c:rl")
step("pushed: a part", "GET", SUM, "c:rl", (), {"Range": "bytes=262140-"})
step("pushed: behind its end", "GET", SUM, "c:rl", (), {"Range": "bytes=300000-"})
step("pushed: what is not there", "GET", "manifests/a/b/1", "c:rl")
step("pushed: names", "GET", "", "c:rl", {**LIST, "prefix": "manifests/"})
step("pushed: tags", "GET", "", "c:rl", {**LIST, "prefix": "manifests/a/b/", "delimiter": "/"})
step("pushed: written", "PUT", "manifests/a/b/latest", "c:rl", (), BLOCK, b"x")
step("pushed: deleted", "DELETE", "manifests/a/b/latest", "c:rl")

# ---- the lease that ended by itself
time.sleep(max(0, began + 16.5 - time.monotonic()))
step("short: over", "HEAD", "short", ALL)
step("short: put with it", "PUT", "short", ALL, (), {**BLOCK, "x-ms-lease-id": A}, b"2")
step("short: renewed all the same", "PUT", "short", ALL, {"comp": "lease"}, lease("renew", lease_id=A))
step("short: break", "PUT", "short", ALL, {"comp": "lease"}, lease("break"))
step("short: breaking", "HEAD", "short", ALL)
