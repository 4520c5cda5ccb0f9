#!/usr/bin/python3
"""Check an ARM template against Microsoft's JSON schemas and against itself.

    arm-validate.py TEMPLATE SCHEMA-DIR     1 line per fault on stdout, exit 1
    arm-validate.py --self TEMPLATE         only what needs no schema
    arm-validate.py --parameters FILE TEMPLATE SCHEMA-DIR
                                            the parameters for a template

SCHEMA-DIR holds VERSION/Provider.json and common/definitions.json as
published for https://schema.management.azure.com/schemas/.  The validator is
python3-jsonschema (draft 4); a reference that leads out of SCHEMA-DIR is a
fault of the caller and ends the run with exit 2, never a silent pass.
"""
import json
import pathlib
import re
import sys

from jsonschema import Draft4Validator, RefResolver

BASE = "https://schema.management.azure.com/schemas/"
FILES = {
    "Microsoft.Network": "Microsoft.Network.NRP.json",
}
# The part of the template language this project allows itself; a name outside
# it is most likely a typing mistake.
FUNCTIONS = {
    "add", "base64", "bool", "concat", "contains", "copyIndex", "createArray",
    "createObject", "div", "empty", "equals", "first", "format", "if", "int",
    "json", "last", "length", "max", "min", "mod", "mul", "not", "null", "or",
    "and", "parameters", "range", "reference", "resourceGroup", "resourceId",
    "split", "startsWith", "string", "sub", "substring", "subscription", "toLower",
    "toUpper", "union", "uniqueString", "variables", "environment",
}


class Schemas:
    """The schema tree, by the URL each file says it has."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.docs = {}

    def url(self, url):
        path = url.split("#")[0]
        if not path.startswith(BASE):
            raise LookupError(f"no schema for {url}")
        path = self.root / path[len(BASE):]
        if path not in self.docs:
            if not path.is_file():
                raise LookupError(f"no schema file {path}")
            self.docs[path] = json.loads(path.read_text())
        return self.docs[path]

    def resolver(self, doc):
        # Named with its own URL so that "#/definitions/x" stays inside it
        return RefResolver(doc["id"].rstrip("#"), doc,
                           handlers={"https": self.url, "http": self.url})


def leaf(error):
    """The most telling of a oneOf's complaints: the one that got deepest."""
    while error.context:
        # A string that is no expression says nothing about an object that
        # is a wrong object, so branches of the value's own type come first.
        def depth(e):
            return (len(e.absolute_path), e.validator != "type",
                    e.validator != "pattern")
        error = max(error.context, key=depth)
    return error


def where(error):
    return "/".join(str(p) for p in error.absolute_path) or "."


def check(schema, doc, resolver, label, faults):
    for e in Draft4Validator(schema, resolver=resolver).iter_errors(doc):
        e = leaf(e)
        faults.append(f"{label}: {where(e)}: {e.message[:300]}")


def closed(schema, doc, resolver, label, faults, path=()):
    """Refuse properties the schema does not name.

    Microsoft generates its schemas without additionalProperties:false, so a
    misspelt property would pass them; Azure answers some of those with 400
    and ignores others.  Follows $ref, oneOf (the branches that hold) and
    allOf; objects with no declared properties are free-form.
    """
    while "$ref" in schema:
        url, schema = resolver.resolve(schema["$ref"])
        resolver.push_scope(url)
        closed(schema, doc, resolver, label, faults, path)
        resolver.pop_scope()
        return
    branches = schema.get("oneOf") or schema.get("anyOf")
    if branches:
        for branch in branches:
            if Draft4Validator(branch, resolver=resolver).is_valid(doc):
                closed(branch, doc, resolver, label, faults, path)
                return
        return                  # check() has said why already
    if isinstance(doc, list) and isinstance(schema.get("items"), dict):
        for i, item in enumerate(doc):
            closed(schema["items"], item, resolver, label, faults, path + (i,))
    if isinstance(doc, dict) and "properties" in schema:
        known = dict(schema["properties"])
        for part in schema.get("allOf", []):
            known.update(part.get("properties", {}))
        extra = schema.get("additionalProperties")
        for key, value in doc.items():
            if key in known:
                closed(known[key], value, resolver, label, faults,
                       path + (key,))
            elif not isinstance(extra, dict) and extra is not True:
                at = "/".join(str(p) for p in path + (key,))
                faults.append(f"{label}: {at}: not a property of "
                              f"this type")


# What the language adds to any resource; provider schemas do not list it
LANGUAGE = {"comments", "condition", "copy", "dependsOn", "scope", "metadata"}


def plain(node, variables):
    """With the template's own items where a parameter may add others."""
    if isinstance(node, dict):
        return {k: plain(v, variables) for k, v in node.items()}
    if isinstance(node, list):
        return [plain(v, variables) for v in node]
    own = isinstance(node, str) and re.fullmatch(
        r"\[concat\(variables\('(\w+)'\), parameters\('\w+'\)\)\]", node)
    value = variables.get(own[1]) if own else None
    return value if isinstance(value, list) else node


def against_schemas(template, root, faults):
    schemas = Schemas(root)
    top = schemas.url(BASE + "2019-04-01/deploymentTemplate.json#")
    resolver = schemas.resolver(top)

    # The list of every resource type of every provider is no part of the
    # tree; each resource is held against its own provider's below, and here
    # against what the language says about any resource.
    outline = dict(template, resources=[])
    check(top, outline, resolver, "template", faults)
    base = top["definitions"]["resourceBase"]

    for r in template["resources"]:
        label = f"{r['type']} {r['name']}"
        check(base, r, resolver, label, faults)
        provider, kind = r["type"].split("/", 1)
        name = FILES.get(provider, provider + ".json")
        doc = schemas.url(f"{BASE}{r['apiVersion']}/{name}#")
        schema = doc["resourceDefinitions"].get(kind.replace("/", "_"))
        if schema is None:
            faults.append(f"{label}: no such type in {r['apiVersion']}")
            continue
        bare = plain({k: v for k, v in r.items() if k not in LANGUAGE},
                     template.get("variables", {}))
        res = schemas.resolver(doc)
        before = len(faults)
        check(schema, bare, res, label, faults)
        if len(faults) == before:
            closed(schema, bare, res, label, faults)


def expressions(node, path=()):
    if isinstance(node, dict):
        for k, v in node.items():
            yield from expressions(v, path + (k,))
    elif isinstance(node, list):
        for i, v in enumerate(node):
            yield from expressions(v, path + (i,))
    elif isinstance(node, str) and re.fullmatch(r"\[(?!\[).*\]", node, re.S):
        yield path, node[1:-1]


def against_itself(template, faults):
    """What the schemas cannot see: names that lead nowhere, secrets."""
    used = {"parameters": set(), "variables": set()}
    for path, text in expressions(template):
        at = "/".join(str(p) for p in path)
        code = re.sub(r"'(?:[^']|'')*'", "''", text)
        depth = 0
        for c in code:
            depth += (c in "([") - (c in ")]")
            if depth < 0:
                break
        if depth != 0:
            faults.append(f"expression: {at}: brackets do not match: {text}")
        for name in re.findall(r"([A-Za-z0-9_]+)\(", code):
            if name not in FUNCTIONS:
                faults.append(f"expression: {at}: no function {name}()")
        for kind, name in re.findall(r"(parameters|variables)\('([^']+)'\)",
                                     text):
            used[kind].add(name)
            if name not in template[kind]:
                faults.append(f"expression: {at}: no {kind[:-1]} {name}")
    for kind, names in used.items():
        for name in template[kind]:
            if name not in names:
                faults.append(f"template: {kind[:-1]} {name} is not used")

    # Every resourceId('Type', 'name'[, ...]) with names written out leads to
    # a resource of this template (or to a part of one).
    declared = {}
    for r in template["resources"]:
        name = r["name"][1:-1] if r["name"].startswith("[") \
            else f"'{r['name']}'"
        declared.setdefault(r["type"], set()).add(name)
    for path, text in expressions(template):
        at = "/".join(str(p) for p in path)
        for kind, rest in re.findall(r"resourceId\('([^']+)', *(.*)", text):
            parent = "/".join(kind.split("/")[:2])
            if parent not in declared:
                faults.append(f"expression: {at}: nothing here is a {parent}")
                continue
            if not any(rest.startswith(n) or
                       rest.startswith(concat_zero(n))
                       for n in declared[parent]):
                faults.append(f"expression: {at}: no {parent} named by {rest}")

    for name, p in template["parameters"].items():
        if "customdata" in name.lower() and p["type"].lower() != "securestring":
            faults.append(f"parameters: {name}: must be a securestring")
    text = json.dumps(template["resources"]) + json.dumps(template["outputs"])
    for word in ("core.windows.net", "cloudapp.azure.com", "CustomData"):
        hay = json.dumps(template["outputs"]) if word == "CustomData" else text
        if word in hay:
            faults.append(f"template: {word} has no place there")


def concat_zero(name):
    """'master0-ip' is what concat('master', copyIndex(), '-ip') makes first."""
    return name.replace("concat('", "'").replace("', copyIndex(), '", "0") \
        .replace("', copyIndex())", "0'").rstrip(")")


KINDS = {"string": str, "securestring": str, "int": int, "bool": bool,
         "array": list, "object": dict, "secureobject": dict}


def against_parameters(given, template, root, faults):
    """The document against its schema, each value against its declaration."""
    schemas = Schemas(root)
    top = schemas.url(BASE + "2019-04-01/deploymentParameters.json#")
    if given.get("$schema") != top["id"]:
        faults.append(f"parameters: $schema is not {top['id']}")
    check(top, given, schemas.resolver(top), "parameters", faults)
    declared = template["parameters"]
    values = given.get("parameters", {})
    for name, p in declared.items():
        if name not in values and "defaultValue" not in p:
            faults.append(f"parameters: {name} is missing")
    for name, entry in values.items():
        p = declared.get(name)
        if not isinstance(entry, dict):
            continue            # its schema has said so
        value = entry.get("value")
        if p is None:
            faults.append(f"parameters: {name} is not declared")
        elif type(value) is not KINDS[p["type"].lower()]:
            faults.append(f"parameters: {name} is no {p['type']}")
        elif value not in p.get("allowedValues", [value]):
            faults.append(f"parameters: {name} is none of "
                          f"{p['allowedValues']}")
        elif isinstance(value, int) and not p.get("minValue", value) <= \
                value <= p.get("maxValue", value):
            faults.append(f"parameters: {name} is out of range")
        elif isinstance(value, str) and not p.get("minLength", 0) <= \
                len(value) <= p.get("maxLength", len(value)):
            faults.append(f"parameters: {name} is too short or too long")


def main(argv):
    faults = []
    if len(argv) == 5 and argv[1] == "--parameters":
        given, template = (json.loads(pathlib.Path(f).read_text())
                           for f in argv[2:4])
        against_parameters(given, template, argv[4], faults)
        print("\n".join(faults))
        return 1 if faults else 0
    if len(argv) == 3 and argv[1] == "--self":
        template = json.loads(pathlib.Path(argv[2]).read_text())
    elif len(argv) == 3:
        template = json.loads(pathlib.Path(argv[1]).read_text())
        try:
            against_schemas(template, argv[2], faults)
        except LookupError as e:
            print(f"arm-validate: {e}", file=sys.stderr)
            return 2
    else:
        print(__doc__, file=sys.stderr)
        return 2
    against_itself(template, faults)
    for line in faults:
        print(line)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
