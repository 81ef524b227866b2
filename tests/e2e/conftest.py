"""The tests that run the whole: real commands, real Triton, real HAProxy."""
