"""A plug-in's file is imported with its neighbours, and known by the content of all of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medbench.errors import SpecError
from medbench.plugin_files import import_file, source_of


@pytest.fixture(autouse=True)
def _another_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test imports and where from."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        del sys.modules[name]


def _write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    _write(
        tmp_path,
        plugin="import first_neighbour\ndef value():\n    from unnamed.deep import VALUE\n    return VALUE\n",
        first_neighbour="from packed_neighbour import part\nNAME = part.NAME\n",
        unnamed__deep="VALUE = 1\n",
        packed_neighbour__part="from .other import NAME\n",
        packed_neighbour__other="NAME = 'other'\n",
        stranger="raise RuntimeError\n",
    )
    (tmp_path / "packed_neighbour" / "__init__.py").touch()
    return tmp_path / "plugin.py"


def test_neighbours_are_imported_and_known(plugin: Path) -> None:
    module = import_file(plugin)
    assert (module.first_neighbour.NAME, module.value()) == ("other", 1)
    names = {file.relative_to(plugin.parent).as_posix() for file in source_of(plugin).files}
    packed = {"packed_neighbour/__init__.py", "packed_neighbour/other.py", "packed_neighbour/part.py"}
    assert names == {"plugin.py", "first_neighbour.py", "unnamed/deep.py", *packed}
    assert import_file(plugin) is module


@pytest.mark.parametrize("edited", ["plugin.py", "unnamed/deep.py", "packed_neighbour/other.py"])
def test_an_edit_of_any_of_them_is_another_source_and_another_module(plugin: Path, edited: str) -> None:
    before, module = source_of(plugin), import_file(plugin)
    path = plugin.parent / edited
    path.write_text(path.read_text(encoding="utf-8") + "\nEDITED = True\n", encoding="utf-8")
    assert source_of(plugin).sha256 != before.sha256
    again = import_file(plugin)
    assert again is not module
    again.value()
    assert any(getattr(found, "EDITED", False) for name, found in sys.modules.items() if _is(found, path))


def _is(module: object, path: Path) -> bool:
    return getattr(module, "__file__", None) == str(path)


def test_what_is_not_imported_does_not_count(plugin: Path) -> None:
    before = source_of(plugin).sha256
    (plugin.parent / "stranger.py").write_text("pass\n", encoding="utf-8")
    assert source_of(plugin).sha256 == before


@pytest.mark.parametrize("name", ["json", "numpy", "sys"])
def test_a_neighbour_with_the_name_of_another_module_is_refused(tmp_path: Path, name: str) -> None:
    _write(tmp_path, plugin=f"import {name}\n", **{name: "pass\n"})
    with pytest.raises(SpecError, match=rf"{name} is also the module .*: rename the file"):
        import_file(tmp_path / "plugin.py")


def test_two_plugins_whose_neighbours_share_a_name_are_not_mixed(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        _write(tmp_path / folder, plugin="import shared_name\n", shared_name=f"WHOSE = {folder!r}\n")
    assert import_file(tmp_path / "one/plugin.py").shared_name.WHOSE == "one"
    with pytest.raises(SpecError, match=r"shared_name is also the module .*one/shared_name"):
        import_file(tmp_path / "two/plugin.py")


def test_a_neighbour_that_cannot_be_parsed_is_told_by_the_import(tmp_path: Path) -> None:
    _write(tmp_path, plugin="import broken_neighbour\n", broken_neighbour="def\n")
    with pytest.raises(SyntaxError, match="broken_neighbour"):
        import_file(tmp_path / "plugin.py")


def test_an_edit_within_a_second_and_of_equal_size_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    found = []
    for value in range(3):
        path.write_text(f"VALUE = {value}\n", encoding="utf-8")
        probe = "import pathlib, sys; from medbench import plugin_files as files; "
        probe += "print(files.import_file(pathlib.Path(sys.argv[1])).VALUE)"
        command = [sys.executable, "-c", probe, str(path)]
        found.append(subprocess.run(command, capture_output=True, check=True).stdout.strip())
    assert found == [b"0", b"1", b"2"]
