"""Fails to load, with a message that must reach the operator."""


class TritonPythonModel:
    def initialize(self, args):
        raise RuntimeError("weights are damaged: expected 4096 bytes, found 17")

    def execute(self, requests):
        raise AssertionError("a model that never loaded was asked")
