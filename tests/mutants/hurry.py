"""A pytest plugin for checks that are meant to fail: no search for the smallest example.

The examples are the same in every run, so that a bug which is caught today is caught tomorrow.
"""

from hypothesis import Phase, settings

settings.register_profile("hurry", phases=[Phase.explicit, Phase.generate], derandomize=True)
settings.load_profile("hurry")
