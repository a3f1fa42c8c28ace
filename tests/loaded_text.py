"""Load a program's text as a module of its own file, so that its lines can be named and edited."""

import importlib.util


def module_of(folder, text):
    """Write a text to a file of a folder, and return the module."""
    file = folder / "program.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("loaded_text", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
