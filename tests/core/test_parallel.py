"""Sharing work among cores: the same results in the same order, whatever their number."""

import os
import threading
import time

import numpy as np
import pytest

from fiftyone_daebias import cli, parallel
from fiftyone_daebias.errors import Cancelled, InputError
from fiftyone_daebias.probes.cross_fit import cross_fit
from fiftyone_daebias.probes.design import make_design
from fiftyone_daebias.progress import SilentProgress
from fiftyone_daebias.statistics.targets import Target


@pytest.fixture
def three(monkeypatch):
    monkeypatch.setenv(parallel.VARIABLE, "3")


def test_results_come_in_order_from_several_threads(three):
    meet = threading.Barrier(3, timeout=20)

    def work(k):
        meet.wait()  # passes only where three are at work at the same time
        time.sleep(0.01 * (3 - k % 3))
        return k, threading.current_thread().name

    got = list(parallel.each(work, range(6)))
    assert [k for k, _ in got] == list(range(6))
    assert len({name for _, name in got}) == 3


def test_shared_work_is_not_shared_again_and_threads_are_few_inside(three):
    def outer(k):
        return [threading.current_thread().name, *parallel.each(lambda j: threading.current_thread().name, range(3))]

    for names in parallel.each(outer, range(3)):
        assert len(set(names)) == 1
    assert parallel.workers() == 3


def test_an_error_is_raised_and_ends_the_rest(three):
    begun = []

    def work(k):
        begun.append(k)
        if k == 1:
            raise ValueError("no")
        time.sleep(0.02)

    with pytest.raises(ValueError, match="no"):
        list(parallel.each(work, range(100)))
    time.sleep(0.1)
    assert len(begun) < 30


def test_a_closed_task_stops_who_still_works():
    task = parallel.SharedTask(SilentProgress().task("x", 3, "steps"))
    task.advance()
    task.close()
    with pytest.raises(Cancelled):
        task.advance()


@pytest.mark.parametrize("text", ["0", "two", "-1"])
def test_a_bad_number_is_refused(text, monkeypatch):
    monkeypatch.setenv(parallel.VARIABLE, text)
    with pytest.raises(InputError, match="DAEBIAS_WORKERS must be a number from 1 on"):
        parallel.workers()


@pytest.mark.parametrize("kind", ["classes", "numeric"])
def test_a_probe_says_the_same_with_one_and_with_three_workers(kind, monkeypatch):
    rng = np.random.default_rng(0)
    vectors, subjects = rng.normal(size=(80, 6)).astype(np.float32), np.repeat(np.arange(40), 2)
    values = np.repeat(rng.integers(0, 2, 40), 2) if kind == "classes" else np.repeat(rng.normal(size=40), 2)
    target = Target("x", kind, np.arange(80), values, ("a", "b") if kind == "classes" else ())
    got = []
    for count in "1", "3":
        monkeypatch.setenv(parallel.VARIABLE, count)
        fit = cross_fit(
            make_design(vectors, "rbf"), target, subjects, n_permutations=1500, rng=np.random.default_rng(1)
        )
        got.append((fit.score, fit.p, fit.interval, fit.null, fit.inflation, fit.scores.tobytes()))
    assert got[0] == got[1]


def test_every_verb_takes_workers(monkeypatch):
    from fiftyone_daebias import verbs

    for command in [*(v.command for v in verbs.VERBS), "demo", "demo-mri"]:
        parser = cli.build_parser(command)
        assert "--workers" in cli._commands_of(parser).choices[command].format_help(), command
    for name in parallel.VARIABLE, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS":
        monkeypatch.setenv(name, os.environ.get(name, ""))
    assert cli.main(["cache", "--workers", "2", "--quiet"]) == cli.EXIT_OK
    assert parallel.workers() == 2 and os.environ["OMP_NUM_THREADS"] == "2"
    assert cli.main(["cache", "--workers", "0"]) == cli.EXIT_INPUT
