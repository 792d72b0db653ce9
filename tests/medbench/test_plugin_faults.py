"""What goes wrong in somebody else's code is told with its file and line."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from medbench import plugin_files
from medbench.plugin_faults import fault_of, place_in_plugin, source_of
from medbench.records.manifest import Manifest


class Plugin:
    def run(self) -> float:
        return 1 / 0


def test_the_line_of_the_plugins_own_file_is_named() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        Plugin().run()
    assert fault_of(caught.value, Plugin).startswith(f"ZeroDivisionError: division by zero ({__file__} line ")
    assert source_of(Manifest).endswith("manifest.py")
    assert place_in_plugin(caught.value) is None  # no plug-in that was named by its path


@pytest.mark.slow
def test_a_plugin_that_fails_in_a_worker_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def run(number):\n    return 1 / number\n")
    module = plugin_files.import_file(file)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=plugin_files.import_file, initargs=(file,)) as pool:
        error = pool.submit(module.run, 0).exception()
    assert error is not None
    assert place_in_plugin(error) == f"{file} line 2"
