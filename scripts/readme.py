#!/usr/bin/env python3
"""The programs of README.md and of the guides compile as they are pasted, with the Cargo.toml that the page states and nothing else.

    python3 scripts/readme.py            all pages
    python3 scripts/readme.py PAGE...    only these, such as src/guide/tls.md

Each Rust block is the `src/main.rs` of a crate beside a clone of this one; its Cargo.toml is the first one of its page with the lines
that its section shows. A block that begins with `// build.rs` is a build script, for that section and for programs that read `OUT_DIR`.
Warnings fail. Blocks that are not marked `no_run` are run. Versions are those of Cargo.lock; compiled dependencies are shared with the
ordinary target directory. Programs with the same dependencies are one workspace, which cargo compiles on all cores: no program gets a
feature that its own Cargo.toml does not state.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# The same place each time, or the target directory would keep what is built of every copy.
WORK = TARGET / "readme"

HEAD = '[package]\nname = "{}"\nedition = "2024"\n\n[lints.rust]\nwarnings = "deny"\n'


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
    text = ""
    for name, lines in tables.items():
        text += f"\n[{name}]\n" + "".join(f"{key} = {value(item)}\n" for key, item in lines.items())
    return text


def programs(page: str):
    """The name, the mark, the manifest, and the other files of each program."""
    # A page may state its Cargo.toml after a program.
    blocks = re.findall(r"^```toml\n(\[dependencies\]\n.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    base, typed = tomllib.loads(blocks[0]) if blocks else {}, None
    for section in re.split(r"^## ", page, flags=re.MULTILINE):
        title = section.splitlines()[0].removeprefix("# ")
        tables, files = {name: dict(lines) for name, lines in base.items()}, {}
        for mark, text in re.findall(r"^```(\S+)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL):
            if mark == "toml":
                stated = tomllib.loads(text)
                if "dependencies" in stated:
                    tables = stated
                elif tables:
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
    subprocess.run(["cargo", *arguments, "--offline", "--quiet"], cwd=WORK, env=environment, check=True)


def compile_all(dependencies: str, group: list) -> None:
    """Compiles the programs of a group, which have the same dependencies, and runs those that are not marked `no_run`."""
    names = [f"program-{number}" for number in range(1, len(group) + 1)]
    for name, (title, _, files) in zip(names, group):
        print(f"{name}: {title}", flush=True)
        shutil.rmtree(WORK / name, ignore_errors=True)
        for path, content in {**files, "Cargo.toml": HEAD.format(name) + dependencies}.items():
            place = WORK / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
    (WORK / "Cargo.toml").write_text(f'[workspace]\nresolver = "3"\nmembers = {value(names)}\nexclude = ["grpc-health"]\n')
    shutil.copy(ROOT / "Cargo.lock", WORK)
    checked = [f"--package={name}" for name, (_, mark, _) in zip(names, group) if "no_run" in mark]
    if checked:
        cargo("check", *checked)
    for name, (_, mark, _) in zip(names, group):
        if "no_run" not in mark:
            cargo("run", "--package", name)


def main() -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    (WORK / "grpc-health").symlink_to(ROOT)
    everything = [ROOT / "README.md", *sorted((ROOT / "src" / "guide").glob("*.md"))]
    pages = [ROOT / name for name in sys.argv[1:]] or everything
    groups, count = {}, 0
    for page in pages:
        text, name = page.read_text(), page.relative_to(ROOT)
        found = list(programs(text))
        rust = len(re.findall(r"^```rust", text, flags=re.MULTILINE)) - len(re.findall(r"^// build.rs$", text, flags=re.MULTILINE))
        assert len(found) == rust, f"{name}: found {len(found)} of {rust} programs"
        for title, mark, toml, files in found:
            groups.setdefault(toml, []).append((f"{name}: {title}", mark, files))
        count += len(found)
    assert pages != everything or count > 30, f"found {count} programs only"
    for dependencies, group in groups.items():
        compile_all(dependencies, group)
    shutil.rmtree(WORK)
    print(f"readme: {count} programs compiled as pasted")


main()
