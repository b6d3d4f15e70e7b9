"""Rules from text, evaluated in this process: the child processes have tests of their own."""

import json
from pathlib import Path

import pytest

from shelltool.execpolicy import evaluation, evaluator
from shelltool.execpolicy.limits import Limits
from shelltool.execpolicy.loading import load_rules


@pytest.fixture
def in_process(monkeypatch):
    """Let `evaluation` do without child processes."""

    def answer(question: str, limits: Limits) -> tuple[int, bytes]:
        request = json.loads(question)
        return 0, json.dumps(evaluator.evaluate(request["name"], request["text"], limits)).encode()

    monkeypatch.setattr(evaluation, "_ask_child", answer)


@pytest.fixture
def policy(in_process, tmp_path):
    """Make a policy of the texts of rules files."""

    def make(*texts: str):
        paths = [tmp_path / f"{number}.rules" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
        return load_rules([Path(path) for path in paths])

    return make
