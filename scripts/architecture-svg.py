#!/usr/bin/env python3
"""The picture of the modules, docs/architecture.svg, from the two tables of ARCHITECTURE.md: what each module is, and what each module imports.

    python3 scripts/architecture-svg.py           writes the picture
    python3 scripts/architecture-svg.py --check   fails if the picture differs

A module stands above every module that it imports. Arrows that follow from others are left out: with a -> b and b -> c, a -> c is not drawn.
The library's root and the command import everything, and are a bar above all modules.
"""

import re
import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "ARCHITECTURE.md"
PICTURE = ROOT / "docs" / "architecture.svg"

# Sizes in pixels.
BOX_WIDTH, GAP_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 170, 8, 56, 18, 42, 20
# Characters of a line below a module's name.
LINE = 26
# Modules that only tell readers something.
NOT_DRAWN = {"guide"}


def block(text: str, after: str) -> list[str]:
    """The lines of the first fenced block behind `after`."""
    return text.split(after, 1)[1].split("```text\n", 1)[1].split("\n```", 1)[0].splitlines()


def modules(text: str) -> dict[str, str]:
    """Each module and what the module is, in a few words."""
    found = {}
    for line in block(text, "\n## Modules\n"):
        path, what = line.split(None, 1)
        name = path.removeprefix("src/").removesuffix("/").removesuffix(".rs")
        what = re.split(r"  +|[;:(]| and what", what)[0].strip(" ,")
        found[name] = what
    return found


def arrows(text: str) -> dict[str, set[str]]:
    """The modules that each module imports."""
    found = {}
    for line in block(text, "\nArrows are imports."):
        words = " ".join(line.split()).replace(" -> ", "->").replace(", ", ",")
        for arrow in words.split(" "):
            if "->" in arrow and not arrow.startswith("command->"):
                module, targets = arrow.split("->")
                found[module] = {target for target in targets.split(",") if target != "nothing"}
    return found


def reached(module: str, imports: dict[str, set[str]]) -> set[str]:
    """What `module` imports, directly or through others."""
    found = set()
    for target in imports[module]:
        found |= {target} | reached(target, imports)
    return found


def drawn(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that do not follow from others."""
    return {
        module: {
            target for target in targets
            if not any(target in reached(other, imports) for other in targets if other != target)
        }
        for module, targets in imports.items()
    }


def layers(imports: dict[str, set[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """The rows from the lowest up, in an order with few crossings; and each arrow, as the places it goes through from top to bottom.

    A place is a module, or a gap in a row that an arrow passes.
    """
    depth: dict[str, int] = {}

    def of(module: str) -> int:
        if module not in depth:
            depth[module] = 1 + max((of(target) for target in imports[module]), default=-1)
        return depth[module]

    for module in imports:
        of(module)
    # A module that imports little stands just below the lowest module that imports it.
    for module in sorted(imports, key=lambda name: (-depth[name], name)):
        users = [depth[user] for user in imports if module in imports[user]]
        if users:
            depth[module] = max(depth[module], min(users) - 1)
    rows: list[list[str]] = [sorted(module for module in imports if depth[module] == at) for at in range(max(depth.values()) + 1)]
    ways = []
    for module, targets in drawn(imports).items():
        for target in sorted(targets):
            gaps = [f"{module}>{target}@{at}" for at in range(depth[module] - 1, depth[target], -1)]
            for gap in gaps:
                rows[int(gap.rsplit("@", 1)[1])].append(gap)
            ways.append([module, *gaps, target])
    near: dict[str, list[str]] = {place: [] for row in rows for place in row}
    for way in ways:
        for upper, lower in zip(way, way[1:]):
            near[upper].append(lower)
            near[lower].append(upper)
    # Places move towards the middle of their neighbours, one row after the other, up and down.
    best, fewest = rows, crossings(rows, ways)
    for _ in range(24):
        for order in (range(len(rows)), reversed(range(len(rows)))):
            for at in order:
                x = centres(rows)
                rows = [list(row) for row in rows]
                rows[at].sort(key=lambda place: (sum(x[other] for other in near[place]) / max(1, len(near[place])), place))
                if crossings(rows, ways) < fewest:
                    best, fewest = rows, crossings(rows, ways)
    return best, ways


def crossings(rows: list[list[str]], ways: list[list[str]]) -> int:
    """How often arrows cross between one row and the next."""
    number = {place: at for row in rows for at, place in enumerate(row)}
    row_of = {place: at for at, row in enumerate(rows) for place in row}
    parts: dict[int, list[tuple[int, int]]] = {}
    for way in ways:
        for upper, lower in zip(way, way[1:]):
            parts.setdefault(row_of[lower], []).append((number[upper], number[lower]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for part in parts.values()
        for at, a in enumerate(part)
        for b in part[:at]
    )


def wide(place: str) -> int:
    return GAP_WIDTH if "@" in place else BOX_WIDTH


def centres(rows: list[list[str]]) -> dict[str, float]:
    """The middle of each place, from the middle of the picture."""
    found = {}
    for row in rows:
        at = -(sum(map(wide, row)) + GAP_X * (len(row) - 1)) / 2
        for place in row:
            found[place] = at + wide(place) / 2
            at += wide(place) + GAP_X
    return found


def wrapped(text: str) -> list[str]:
    """One or two lines."""
    first, rest = "", text.split(" ")
    while rest and len(f"{first} {rest[0]}") <= LINE:
        first = f"{first} {rest.pop(0)}".strip()
    second = " ".join(rest)
    if len(second) > LINE:
        second = second[: LINE - 1].rsplit(" ", 1)[0] + " …"
    return [first, second] if second else [first]


def picture(text: str) -> str:
    what, imports = modules(text), arrows(text)
    imports = {module: targets for module, targets in imports.items() if module not in NOT_DRAWN}
    missing = [module for module in imports if module not in what]
    assert not missing, f"ARCHITECTURE.md does not say what these are: {missing}"
    rows, ways = layers(imports)
    x = centres(rows)
    width = max(sum(map(wide, row)) + GAP_X * (len(row) - 1) for row in rows) + 2 * MARGIN
    height = (len(rows) + 1) * (BOX_HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    x = {place: width / 2 + at for place, at in x.items()}
    y = {place: height - MARGIN - BOX_HEIGHT - at * (BOX_HEIGHT + GAP_Y) for at, row in enumerate(rows) for place in row}

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        ' font-family="sans-serif" style="max-width:100%;height:auto">',
        "<title>The modules of grpc-health, and which module imports which</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#5b6b7f"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
    ]
    for way in ways:
        module, target = way[0], way[-1]
        # Arrows leave and reach a module side by side, in the order of where they come from and go to.
        out = sorted((other for other in ways if other[0] == module), key=lambda other: x[other[1]])
        come = sorted((other for other in ways if other[-1] == target), key=lambda other: x[other[-2]])
        at = x[module] - BOX_WIDTH / 2 + BOX_WIDTH * (out.index(way) + 1) / (len(out) + 1)
        end = x[target] - BOX_WIDTH / 2 + BOX_WIDTH * (come.index(way) + 1) / (len(come) + 1)
        down = y[module] + BOX_HEIGHT
        path = f"M{at:.0f} {down:.0f}"
        for place in way[1:]:
            goal, top = (end, y[place] - 1) if place == target else (x[place], y[place])
            bend = (down + top) / 2
            path += f"C{at:.0f} {bend:.0f} {goal:.0f} {bend:.0f} {goal:.0f} {top:.0f}"
            if place != target:
                path += f"V{top + BOX_HEIGHT:.0f}"
            at, down = goal, top + BOX_HEIGHT
        lines.append(f'<path d="{path}" fill="none" stroke="#5b6b7f" marker-end="url(#arrow)"/>')
    lines += box(MARGIN, MARGIN, width - 2 * MARGIN, "the library's root and the command", ["import every module"], "#eef2f7")
    for row in rows:
        for module in row:
            if "@" not in module:
                lines += box(x[module] - BOX_WIDTH / 2, y[module], BOX_WIDTH, module, wrapped(what[module]), "#e3edf9")
    return "\n".join([*lines, "</svg>"]) + "\n"


def box(x: float, y: float, width: float, name: str, what: list[str], colour: str) -> list[str]:
    centre = x + width / 2
    text = [
        f'<text x="{centre:.0f}" y="{y + 36 + 13 * number:.0f}" text-anchor="middle" font-size="11" fill="#3d4b5c">{escape(line)}</text>'
        for number, line in enumerate(what)
    ]
    return [
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="6" fill="{colour}" stroke="#8aa0bb"/>',
        f'<text x="{centre:.0f}" y="{y + 20:.0f}" text-anchor="middle" font-size="15" font-weight="bold" fill="#1c2733">'
        f"{escape(name)}</text>",
        *text,
    ]


def main() -> None:
    now = picture(PAGE.read_text())
    if sys.argv[1:] == ["--check"]:
        if not PICTURE.exists() or PICTURE.read_text() != now:
            sys.exit("docs/architecture.svg is not what ARCHITECTURE.md says: run python3 scripts/architecture-svg.py")
        print("docs/architecture.svg is up to date")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        PICTURE.write_text(now)


main()
