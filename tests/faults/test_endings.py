"""How a command ends from outside: terminated, its reader gone, its database away."""

import signal
import subprocess
import sys
import time

import pytest
from faults.servers import Server, environment, finish, mongod, run, start

#: takes samples one by one, saying when it has begun
SLOW = """
import sys, time
from fiftyone_daebias import cli, verbs

def slow(samples, *, progress=None):
    try:
        print("begun", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("saved", flush=True)
        raise

verbs.Verb.load = lambda self: slow
verbs.Verb.describe = lambda self: ("", ())
sys.exit(cli.main(["probe", sys.argv[1]]))
"""


@pytest.fixture
def dataset(dataset_name):
    import fiftyone as fo

    return fo.Dataset(dataset_name, persistent=True)


def test_sigterm_saves_as_ctrl_c_does_and_ends_with_143(dataset):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, dataset.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGTERM)
    code, out, err = finish(process, 30)
    assert (code, out) == (143, "saved\n")
    assert err.strip() == "terminated; what was finished is kept: run the same command again to go on"


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    process = start(["--help"], environment(tmp_path), bufsize=0, text=False)
    process.stdout.close()
    assert process.wait(30) in (0, 120, 141)
    code = "import sys; from fiftyone_daebias import cli; sys.exit(cli.main(['privacy', sys.argv[1]]))"
    folder = tmp_path / "images"
    folder.mkdir()
    from PIL import Image

    Image.new("L", (8, 8)).save(folder / "a.png")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path),
    )
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(60) == 141 and "Traceback" not in err and "BrokenPipe" not in err, err


def test_a_database_that_is_away_is_one_line_with_its_address(tmp_path):
    env = environment(tmp_path, "mongodb://someone:secret@127.0.0.1:9")
    began = time.monotonic()
    code, _, err = run(["probe", "cohort", "sex", "--quiet"], env)
    took = time.monotonic() - began
    assert code == 2 and err.count("\n") == 1, err
    assert "the database at mongodb://***@127.0.0.1:9 does not answer" in err and "secret" not in err
    assert took < 25  # importing FiftyOne included, on a loaded machine


def test_a_database_that_dies_in_the_middle_is_the_same_and_the_step_goes_on_later(tmp_path):
    if mongod() is None:
        pytest.skip("no mongod here")
    import numpy as np
    from PIL import Image

    server = Server(tmp_path / "server")
    server.start()
    try:
        env = environment(tmp_path / "home", server.address)
        (tmp_path / "images").mkdir()
        for k in range(30):
            pixels = np.random.default_rng(k).integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / f"{k}.png")
        killing = (
            "import os, signal, sys; from fiftyone_daebias import cli\n"
            "from fiftyone_daebias.store import register as records\n"
            f"records._set_up = lambda *a: os.kill({server.process.pid}, signal.SIGKILL)\n"
            "sys.exit(cli.main(sys.argv[1:]))"
        )
        command = ["register", "cohort", str(tmp_path / "images"), "--quiet"]
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-c", killing, *command], env=env, capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert f"the database at {server.address} does not answer" in done.stderr
        assert time.monotonic() - began < 30
        server.process.wait()
        server.start()
        code, out, err = run(command, env)
        assert code == 0 and "30 images" in out, err
    finally:
        server.stop()
