#!/usr/bin/env python3
"""clippy, with warnings denied: default features, each feature alone, all features.

With a feature alone, the library, the command and their unit tests are linted, and of the tests, examples and benches those that name
that feature, or one that it turns on. The others are the same code as with the default features, of which there are none.
"""

import json
import re
import subprocess
import sys
from pathlib import Path


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments, "--locked"], stdout=subprocess.PIPE, text=True, check=True).stdout


def clippy(what: str, *arguments: str) -> str:
    print(f"clippy: {what}", flush=True)
    command = ["cargo", "clippy", "--locked", "--message-format", "json-render-diagnostics", *arguments, "--", "-D", "warnings"]
    linted = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if linted.returncode:
        sys.exit(linted.returncode)
    return linted.stdout


def sources(linted: str) -> dict:
    """The files of each target, as rustc noted them beside its output. A module behind a feature is missing; the file that names it is not."""
    files = {}
    for line in linted.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and "/registry/" not in message["manifest_path"]:
            for output in map(Path, message["filenames"]):
                noted = output.with_name(output.stem.removeprefix("lib") + ".d")
                if noted.exists():
                    key = message["target"]["kind"][0], message["target"]["name"]
                    names = re.findall(r"^(\S+):$", noted.read_text(), flags=re.MULTILINE)
                    files.setdefault(key, set()).update(name for name in names if name.endswith(".rs"))
    return files


def main() -> None:
    (package,) = (p for p in json.loads(cargo("metadata", "--format-version", "1", "--no-deps"))["packages"] if p["name"] == "grpc-health")
    features = package["features"]
    assert features["default"] == [], "what names no feature is linted with the default features alone"
    files = sources(clippy("default features", "--all-targets"))

    def turned_on(feature: str) -> set:
        return {feature}.union(*(turned_on(other) for other in features[feature] if other in features))

    def named(target: dict) -> set:
        kind, name = target["kind"][0], target["name"]
        required = set(target.get("required-features", []))
        texts = [Path(file).read_text() for file in files.get((kind, name), [target["src_path"]])]
        assert required or (kind, name) in files, f"{kind} {name} was not linted with the default features"
        return required.union(*(re.findall(r'feature = "(\w+(?:-\w+)*)"', text) for text in texts))

    others = {(t["kind"][0], t["name"]): (set(t.get("required-features", [])), named(t))
              for t in package["targets"] if t["kind"][0] in ("test", "example", "bench")}
    for feature in sorted(set(features) - {"default"}):
        on = turned_on(feature)
        chosen = [f"--{kind}={name}" for (kind, name), (required, names) in others.items() if required <= on and names & on]
        clippy(f"only {feature}", "--no-default-features", "--features", feature, "--lib", "--bins", "--profile", "test", *chosen)
        # Tests turn on features of dependencies that users do not have: the library and the command alone, too.
        clippy(f"only {feature}, without what tests depend on", "--no-default-features", "--features", feature)
    clippy("all features", "--all-targets", "--all-features")
    clippy("the generator", "--package", "grpc-health-build", "--all-targets")


main()
