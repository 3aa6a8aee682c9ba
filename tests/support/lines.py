"""How large the source is, for `scripts/lines`."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import grimp
from radon.raw import analyze
from radon.visitors import ComplexityVisitor, Function

PACKAGE = "hookline"
_MOST_COMPLEX = 8


def main(arguments: Sequence[str]) -> None:
    """Print the figures of the checkout that `arguments` names, or of this one."""
    checkout = Path(*arguments) if arguments else Path(__file__).parents[2]
    source = checkout.resolve() / "src"
    files = {file.relative_to(source / PACKAGE): file for file in (source / PACKAGE).rglob("*.py")}
    code = {path: analyze(file.read_text()).sloc for path, file in files.items()}
    functions = {path: _functions(file.read_text()) for path, file in files.items()}
    for package, lines in sorted(_by_package(code).items()):
        _say(f"{lines:7,}  {package}")
    _say(f"{sum(code.values()):7,}  lines of code in {len(code)} files")
    lengths = [item.endline - item.lineno + 1 for found in functions.values() for item in found]
    _say(f"{median(filter(None, code.values())):7,.0f}  median of a file, empty ones left out")
    _say(f"{median(lengths):7,.0f}  median of a function, of {len(lengths):,}, with its docstring")
    _say(f"{len(_with_one_importer(source)):7,}  modules with one importer")
    for name, complexity in too_complex(source).items():
        _say(f"{complexity:7}  complexity of {name}")


def too_complex(source: Path) -> dict[str, int]:
    """The functions of more than the allowed complexity, as radon counts it, by file and name."""
    files = sorted((source / PACKAGE).rglob("*.py"))
    return {
        f"{file.relative_to(source / PACKAGE)} {item.fullname}": item.complexity
        for file in files
        for item in _functions(file.read_text())
        if item.complexity > _MOST_COMPLEX
    }


def _by_package(code: dict[Path, int]) -> Counter[str]:
    lines: Counter[str] = Counter()
    for path, count in code.items():
        lines[path.parts[0] if len(path.parts) > 1 else "modules of their own"] += count
    return lines


def _functions(text: str) -> list[Function]:
    found = ComplexityVisitor.from_code(text)
    methods = [method for item in found.classes for method in item.methods]
    return [*found.functions, *methods]


def _with_one_importer(source: Path) -> list[str]:
    sys.path.insert(0, str(source))
    # grimp finds a package as Python does.
    sys.modules.pop(PACKAGE, None)
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    modules = [name for name in graph.modules if not graph.find_children(name)]
    return [name for name in modules if len(graph.find_modules_that_directly_import(name)) == 1]


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a person reads it


if __name__ == "__main__":
    main(sys.argv[1:])
