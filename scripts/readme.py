#!/usr/bin/env python3
"""README.md's programs compile as they are pasted, with the Cargo.toml that README.md states and nothing else.

    python3 scripts/readme.py

Each Rust block is the `src/main.rs` of a crate beside a clone of this one; its Cargo.toml is the first one of README.md with the lines
that its section shows. A block that begins with `// build.rs` is a build script, for that section and for programs that read `OUT_DIR`.
Warnings fail. Blocks that are not marked `no_run` are run. Versions are those of Cargo.lock; compiled dependencies are shared with the
ordinary target directory.
"""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# The same place each time, or the target directory would keep what is built of every copy.
WORK = TARGET / "readme"

HEAD = '[package]\nname = "readme"\nedition = "2024"\n\n[workspace]\n\n[lints.rust]\nwarnings = "deny"\n'


def value(of) -> str:
    """`of` in TOML."""
    if isinstance(of, str):
        return f'"{of}"'
    if isinstance(of, bool):
        return str(of).lower()
    if isinstance(of, list):
        return "[" + ", ".join(map(value, of)) + "]"
    return "{ " + ", ".join(f"{key} = {value(item)}" for key, item in of.items()) + " }"


def manifest(tables: dict) -> str:
    text = HEAD
    for name, lines in tables.items():
        text += f"\n[{name}]\n" + "".join(f"{key} = {value(item)}\n" for key, item in lines.items())
    return text


def programs(readme: str):
    """The name, the mark, the manifest, and the other files of each program."""
    base, typed = {}, None
    for section in re.split(r"^## ", readme, flags=re.MULTILINE):
        title = section.splitlines()[0]
        tables, files = {name: dict(lines) for name, lines in base.items()}, {}
        for mark, text in re.findall(r"^```(\S+)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL):
            if mark == "toml":
                stated = tomllib.loads(text)
                if "dependencies" in stated:
                    tables = stated
                    base = base or stated
                else:
                    tables["dependencies"].update(stated)
            elif mark == "protobuf":
                files[text.split("\n")[0].removeprefix("// ")] = text
            elif mark.startswith("rust"):
                if text.startswith("// build.rs\n"):
                    files["build.rs"] = text
                    typed = tables, files
                    continue
                of, beside = typed if "OUT_DIR" in text else (tables, {})
                yield title, mark, manifest(of), {**beside, "src/main.rs": text}


def cargo(*arguments: str) -> None:
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    subprocess.run(["cargo", *arguments, "--offline", "--quiet"], cwd=WORK / "program", env=environment, check=True)


def main() -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    (WORK / "grpc-health").symlink_to(ROOT)
    found = list(programs((ROOT / "README.md").read_text()))
    assert len(found) > 5, f"found {len(found)} programs only"
    for title, mark, toml, files in found:
        print(f"README: {title}", flush=True)
        shutil.rmtree(WORK / "program", ignore_errors=True)
        for name, text in {**files, "Cargo.toml": toml}.items():
            path = WORK / "program" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        shutil.copy(ROOT / "Cargo.lock", WORK / "program")
        cargo("check" if "no_run" in mark else "run")
    shutil.rmtree(WORK)
    print(f"readme: {len(found)} programs compiled as pasted")


main()
