"""The options of a checkout's training scripts, read from their source without running any of it.

sd-scripts builds its parsers in functions: ``setup_parser`` of each script calls helpers of other modules with the parser, or another
script's ``setup_parser``. This module follows those calls through the syntax trees, as far as plain values go: what depends on
anything else (a computed default, a list of choices from a library) is left open and named in ``Option.computed``, so that a later or
older checkout gives all that can be known of it. Nothing of the checkout is imported.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from ...errors import SDGenError, shown

_DEEP = 40  # calls within calls; sd-scripts needs 3
_LONG = 500  # rounds of a loop over plain values


@dataclass(frozen=True)
class Option:
    """One option as ``add_argument`` declares it. ``type`` is the name of a type or function ("" when none is given: text), ``action`` is
    "store" or what is said; ``computed`` names what could not be known ("type", "default", "choices", "nargs", "help").
    """

    name: str
    flags: tuple[str, ...]
    type: str = ""
    default: Any = None
    choices: tuple[Any, ...] | None = None
    action: str = "store"
    nargs: str | int | None = None
    help: str = ""
    group: str = ""
    required: bool = False
    computed: tuple[str, ...] = ()

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.action in ("store_true", "store_false", "store_const", "append_const", "count", "help", "version")


@dataclass(frozen=True)
class Script:
    """The options of one script by name, in its own order; ``notes``: calls that could not be followed."""

    path: Path
    options: Mapping[str, Option]
    notes: tuple[str, ...] = ()


def english(text: str) -> str:
    """The English half of a help text, which sd-scripts writes as "English / Japanese"."""
    parts = text.split(" / ")
    while len(parts) > 1 and not parts[-1].isascii():
        parts.pop()
    return " / ".join(parts).strip()


def training_scripts(checkout: Path) -> list[str]:
    """The names of the scripts that train networks such as LoRAs: train_network.py and every *_train_network.py."""
    return sorted(path.name for path in checkout.glob("*train_network.py") if path.is_file())


_known: dict[Path, tuple[tuple[tuple[Path, int, int], ...], Script]] = {}
_lock = Lock()


def probe(checkout: Path, script: str) -> Script:
    """The options of ``script`` in ``checkout``; remembered until one of the files read has changed.

    Raises ``kohya-not-found`` when the script is not there or is no Python.
    """
    path = checkout / script
    with _lock:
        known = _known.get(path)
        if known and known[0] == _stamps(one for one, _, _ in known[0]):
            return known[1]
        reader = _Reader(checkout)
        found = reader.script(path)
        _known[path] = (_stamps(reader.files), found)
        return found


def _stamps(paths: Iterable[Path]) -> tuple[tuple[Path, int, int], ...]:
    out = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            out.append((path, 0, 0))
        else:
            out.append((path, stat.st_mtime_ns, stat.st_size))
    return tuple(out)


class _Unknown:
    """A value that is only known when the code runs."""

    def __repr__(self) -> str:
        return "?"


_UNKNOWN = _Unknown()


@dataclass
class _Parser:
    """A parser, or a group of it: both put options into the same dictionary."""

    options: dict[str, Option]
    group: str = ""


@dataclass
class _Module:
    path: Path
    package: tuple[str, ...]
    body: list[ast.stmt]
    names: dict[str, ast.stmt] = field(default_factory=dict)  # what the module's own level binds


@dataclass(frozen=True)
class _Function:
    module: _Module
    node: ast.FunctionDef


@dataclass(frozen=True)
class _Import:
    """A name bound by an import: the module's dotted name, and what is taken from it."""

    module: tuple[str, ...]
    name: str = ""


class _Reader:
    """Follows one script."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._modules: dict[Path, _Module | None] = {}
        self._notes: list[str] = []
        self._depth = 0

    @property
    def files(self) -> list[Path]:
        return list(self._modules)

    def script(self, path: Path) -> Script:
        module = self._module(path, ())
        if module is None:
            raise SDGenError(
                "kohya-not-found",
                f"{path.name} in {shown(self._checkout)} is missing or cannot be read",
                hint="The setting `kohya_folder` names the folder of a sd-scripts checkout, the one with train_network.py in it.",
            )
        entry = module.names.get("setup_parser")
        if isinstance(entry, ast.FunctionDef):
            made = self._call(_Function(module, entry), [], {})
        else:  # a script that builds its parser where it starts
            scope: dict[str, Any] = {"__name__": "__main__"}
            self._run(module, module.body, scope, "")
            made = next((one for one in scope.values() if isinstance(one, _Parser)), None)
        options = made.options if isinstance(made, _Parser) else {}
        return Script(path, options, tuple(self._notes))

    # ---- modules and names -----------------------------------------------------------------------------------------

    def _module(self, path: Path, package: tuple[str, ...]) -> _Module | None:
        if path in self._modules:
            return self._modules[path]
        self._modules[path] = None
        try:
            with warnings.catch_warnings():  # of a careless escape in somebody else's source
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError) as error:
            self._notes.append(f"{path.name}: {error}")
            return None
        module = _Module(path, package, tree.body)
        for node in _level(tree.body):
            for name in _bound(node):
                module.names.setdefault(name, node)
        self._modules[path] = module
        return module

    def _imported(self, dotted: tuple[str, ...]) -> _Module | None:
        """The module of the checkout with that name; None for one of a library."""
        base = self._checkout.joinpath(*dotted)
        for path, package in ((base.with_name(base.name + ".py"), dotted[:-1]), (base / "__init__.py", dotted)):
            if dotted and path.is_file():
                return self._module(path, package)
        return None

    def _look_up(self, module: _Module, name: str) -> Any:
        """What a name of a module's own level means: a function, an import, a plain value, or unknown."""
        node = module.names.get(name)
        if isinstance(node, ast.FunctionDef):
            return _Function(module, node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return self._resolved(_imports(node, module.package)[name])
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and self._depth < _DEEP:
            self._depth += 1
            try:
                return self._value(module, node.value, {}, "")
            finally:
                self._depth -= 1
        return _UNKNOWN

    def _resolved(self, found: _Import) -> Any:
        if not found.name:
            return found
        module = self._imported(found.module)
        if module is not None and found.name in module.names:
            if self._depth >= _DEEP:
                return _UNKNOWN
            self._depth += 1
            try:
                return self._look_up(module, found.name)
            finally:
                self._depth -= 1
        return _Import((*found.module, found.name))

    def _attribute(self, value: Any, name: str) -> Any:
        """``value.name`` for a module of the checkout."""
        if not isinstance(value, _Import):
            return _UNKNOWN
        return self._resolved(_Import(value.module, name))

    # ---- statements ------------------------------------------------------------------------------------------------

    def _call(self, function: _Function, values: list[Any], named: Mapping[str, Any]) -> Any:
        if self._depth >= _DEEP:
            return _UNKNOWN
        arguments = function.node.args
        names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        scope: dict[str, Any] = dict.fromkeys((*names, *(one.arg for one in arguments.kwonlyargs)), _UNKNOWN)
        pairs = [*zip(reversed(names), reversed(arguments.defaults), strict=False)]
        pairs += [
            (one.arg, node) for one, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if node
        ]
        scope.update({name: self._value(function.module, node, {}, "") for name, node in pairs})
        scope.update(zip(names, values, strict=False))
        scope.update({name: value for name, value in named.items() if name in scope})
        self._depth += 1
        try:
            return self._run(function.module, function.node.body, scope, _group(function.node.name))
        finally:
            self._depth -= 1

    def _run(self, module: _Module, body: list[ast.stmt], scope: dict[str, Any], group: str) -> Any:
        """What the statements return, or may return; None when they do not."""
        perhaps: Any = None
        for node in body:
            if isinstance(node, ast.Return):
                return self._value(module, node.value, scope, group) if node.value else _UNKNOWN
            if isinstance(node, ast.Expr):
                self._value(module, node.value, scope, group)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                value = self._value(module, node.value, scope, group)
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                scope.update({one.id: value for one in targets if isinstance(one, ast.Name)})
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                found = _imports(node, module.package)
                scope.update({name: self._resolved(one) for name, one in found.items()})
            elif isinstance(node, ast.FunctionDef):
                scope[node.name] = _Function(module, node)
            else:
                for branch, sure in self._branches(module, node, scope, group):
                    returned = self._run(module, branch, scope, group)
                    if returned is not None and sure:
                        return returned
                    perhaps = returned if perhaps is None else perhaps
        return perhaps

    def _branches(
        self, module: _Module, node: ast.stmt, scope: dict[str, Any], group: str
    ) -> Iterable[tuple[list[ast.stmt], bool]]:
        """The bodies of a compound statement that may run, and whether they surely do; both of an ``if`` that cannot be decided."""
        if isinstance(node, ast.If):
            test = self._value(module, node.test, scope, group)
            known = _plain(test)
            if not known or test:
                yield node.body, known
            if not known or not test:
                yield node.orelse, known
        elif isinstance(node, ast.For):
            over = self._value(module, node.iter, scope, group)
            known = isinstance(over, (list, dict))
            for value in list(over)[:_LONG] if known else [_UNKNOWN]:
                _assign(node.target, value, scope)
                yield node.body, known
        elif isinstance(node, ast.With):
            yield node.body, True
        elif isinstance(node, ast.Try):
            for body in (node.body, *(one.body for one in node.handlers), node.orelse, node.finalbody):
                yield body, False

    # ---- expressions -----------------------------------------------------------------------------------------------

    def _value(self, module: _Module, node: ast.expr, scope: dict[str, Any], group: str) -> Any:
        """The value of an expression, as far as it is plain."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return scope[node.id] if node.id in scope else self._look_up(module, node.id)
            case ast.Attribute():
                return self._attribute(self._value(module, node.value, scope, group), node.attr)
            case ast.List() | ast.Tuple() | ast.Set():
                return [self._value(module, one, scope, group) for one in node.elts]
            case ast.Dict():
                keys = [self._value(module, one, scope, group) if one else _UNKNOWN for one in node.keys]
                values = [self._value(module, one, scope, group) for one in node.values]
                if any(one is _UNKNOWN or isinstance(one, (list, dict)) for one in keys):
                    return _UNKNOWN
                return dict(zip(keys, values, strict=True))
            case ast.JoinedStr():
                return self._text(module, node, scope, group)
            case ast.Subscript():
                return _item(
                    self._value(module, node.value, scope, group), self._value(module, node.slice, scope, group)
                )
            case ast.UnaryOp():
                return _unary(node.op, self._value(module, node.operand, scope, group))
            case ast.BinOp():
                left = self._value(module, node.left, scope, group)
                return _binary(node.op, left, self._value(module, node.right, scope, group))
            case ast.Call():
                return self._called(module, node, scope, group)
        return _UNKNOWN

    def _text(self, module: _Module, node: ast.JoinedStr, scope: dict[str, Any], group: str) -> Any:
        parts = []
        for one in node.values:
            plain = one.value if isinstance(one, ast.FormattedValue) else one
            value = self._value(module, plain, scope, group)
            if value is _UNKNOWN or (isinstance(one, ast.FormattedValue) and (one.format_spec or one.conversion != -1)):
                return _UNKNOWN
            parts.append(str(value))
        return "".join(parts)

    def _called(self, module: _Module, node: ast.Call, scope: dict[str, Any], group: str) -> Any:
        values = [self._value(module, one, scope, group) for one in node.args if not isinstance(one, ast.Starred)]
        named = {one.arg: self._value(module, one.value, scope, group) for one in node.keywords if one.arg}
        if isinstance(node.func, ast.Attribute):
            owner = self._value(module, node.func.value, scope, group)
            if isinstance(owner, _Parser):
                return self._asked(owner, node, values, named, group)
            if isinstance(owner, dict) and node.func.attr in ("keys", "values"):
                return list(getattr(owner, node.func.attr)())
            if isinstance(owner, str) and node.func.attr == "join" and values and _plain(values[0]):
                return owner.join(str(one) for one in values[0])
            function = self._attribute(owner, node.func.attr)
        else:
            function = self._value(module, node.func, scope, group)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(function, _Function):
            concerned = any(isinstance(one, _Parser) for one in (*values, *named.values())) or "parser" in name
            return self._call(function, values, named) if concerned else _UNKNOWN
        if name.endswith("ArgumentParser"):
            return _Parser({})
        if name in ("list", "tuple", "sorted", "set") and len(values) == 1 and isinstance(values[0], (list, dict)):
            return list(values[0])
        if any(isinstance(one, _Parser) for one in (*values, *named.values())):
            self._notes.append(f"{module.path.name}:{node.lineno}: {name} cannot be followed")
        return _UNKNOWN

    def _asked(self, parser: _Parser, node: ast.Call, values: list[Any], named: dict[str, Any], group: str) -> Any:
        """A method of a parser."""
        assert isinstance(node.func, ast.Attribute)
        if node.func.attr in ("add_argument_group", "add_mutually_exclusive_group"):
            title = values[0] if values else named.get("title")
            return _Parser(parser.options, title if isinstance(title, str) else parser.group)
        if node.func.attr == "set_defaults":
            for name, value in named.items():
                if name in parser.options:
                    parser.options[name] = replace(parser.options[name], default=None if value is _UNKNOWN else value)
        elif node.func.attr == "add_argument":
            option = _option(
                values, named, {one.arg: one.value for one in node.keywords if one.arg}, parser.group or group
            )
            if option is None:
                self._notes.append(f"line {node.lineno}: an option without a plain name")
            elif option.flags[0].startswith("-"):
                parser.options.setdefault(option.name, option)
        return _UNKNOWN


def _option(values: list[Any], named: dict[str, Any], nodes: Mapping[str, ast.expr], group: str) -> Option | None:
    """The option that a call of ``add_argument`` declares; None when its flags are computed."""
    flags = tuple(one for one in values if isinstance(one, str))
    if not flags or len(flags) != len(values):
        return None
    long = next((one for one in flags if one.startswith("--")), flags[0])
    dest = named.get("dest")
    computed = {name for name in ("default", "choices", "nargs", "help", "action") if not _plain(named.get(name))}
    choices = named.get("choices")
    action = named.get("action", "store")
    kind = _type_name(nodes["type"]) if "type" in nodes else ""
    if kind is None:
        computed.add("type")
    flag = {"store_true": False, "store_false": True}.get(action if isinstance(action, str) else "")
    nargs = named.get("nargs")
    return Option(
        name=dest if isinstance(dest, str) else long.lstrip("-").replace("-", "_"),
        flags=flags,
        type=kind or "",
        default=None if "default" in computed else named.get("default", flag),
        choices=tuple(choices) if isinstance(choices, (list, str)) and "choices" not in computed else None,
        action=action if isinstance(action, str) else _class_name(nodes.get("action")),
        nargs=nargs if isinstance(nargs, (str, int)) else None,
        help=str(named.get("help") or "") if "help" not in computed else "",
        group=group,
        required=named.get("required") is True,
        computed=tuple(sorted(computed - {"action"})),
    )


def _type_name(node: ast.expr) -> str | None:
    """``int`` of ``type=int``, ``Path`` of ``type=pathlib.Path``; None for a lambda or a call."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Constant) and node.value is None:
        return ""
    return node.id if isinstance(node, ast.Name) else None


def _class_name(node: ast.expr | None) -> str:
    """``BooleanOptionalAction`` of ``action=argparse.BooleanOptionalAction``."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "store")


def _group(function: str) -> str:
    """``optimizer`` of ``add_optimizer_arguments``, ``network`` of the script's own ``setup_parser``."""
    words = [
        one
        for one in function.split("_")
        if one not in ("add", "setup", "parser", "arguments", "args", "train", "training")
    ]
    return " ".join(words) or ("training" if "train" in function else "network")


def _level(body: list[ast.stmt]) -> Iterable[ast.stmt]:
    """The statements of a module's own level, those within ``if`` and ``try`` included."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try)):
                yield from _level(getattr(node, inner, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _level(handler.body)


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement binds."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return list(_imports(node, ()))
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [one.id for one in targets if isinstance(one, ast.Name)]


def _imports(node: ast.Import | ast.ImportFrom, package: tuple[str, ...]) -> dict[str, _Import]:
    """Name → what an import binds it to."""
    if isinstance(node, ast.Import):
        plain = {one.name.split(".")[0]: _Import((one.name.split(".")[0],)) for one in node.names if not one.asname}
        return plain | {one.asname: _Import(tuple(one.name.split("."))) for one in node.names if one.asname}
    above = package[: len(package) - node.level + 1] if node.level else ()
    source = (*above, *(node.module.split(".") if node.module else ()))
    return {one.asname or one.name: _Import(source, one.name) for one in node.names}


def _assign(target: ast.expr, value: Any, scope: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        scope[target.id] = value
    elif isinstance(target, (ast.Tuple, ast.List)):
        parts = value if isinstance(value, list) and len(value) == len(target.elts) else [_UNKNOWN] * len(target.elts)
        for inner, part in zip(target.elts, parts, strict=True):
            _assign(inner, part, scope)


def _plain(value: Any) -> bool:
    """Whether a value is known to its last part."""
    if isinstance(value, (list, tuple)):
        return all(_plain(one) for one in value)
    if isinstance(value, dict):
        return all(_plain(one) for one in value.values())
    return not isinstance(value, (_Unknown, _Parser, _Function, _Import))


def _item(values: Any, index: Any) -> Any:
    try:
        return values[index] if isinstance(values, (list, dict)) else _UNKNOWN
    except (LookupError, TypeError):
        return _UNKNOWN


def _unary(op: ast.unaryop, value: Any) -> Any:
    if isinstance(op, ast.Not):
        return (not value) if _plain(value) else _UNKNOWN
    if isinstance(op, ast.USub) and isinstance(value, (int, float)):
        return -value
    return _UNKNOWN


def _binary(op: ast.operator, left: Any, right: Any) -> Any:
    if not (_plain(left) and _plain(right)):
        return _UNKNOWN
    try:
        match op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right if isinstance(left, (int, float)) and isinstance(right, (int, float)) else _UNKNOWN
            case ast.Div():
                return left / right
    except (TypeError, ZeroDivisionError):
        pass
    return _UNKNOWN
