"""What every plug-in must hold, ours and yours.

Each check is a function that takes a plug-in and raises AssertionError with what is wrong; the tests beside them run
all checks over all installed plug-ins and over the toys of ``tests/toys.py``, which stand for a third party's.
"""
