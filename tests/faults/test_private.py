"""What shows people, and the key of their pseudonyms, is for its owner only; opening the App to others is said plainly."""

import os

import pytest

from fiftyone_daebias.cohort.pseudonyms import Pseudonyms
from fiftyone_daebias.errors import StoreError

KEY = "00112233445566778899aabbccddeeff"


def test_the_key_and_its_folder_are_closed_to_others(tmp_path):
    folder = tmp_path / "home" / "keys"
    first = Pseudonyms(folder).subject("P1")
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    assert oct((folder / "subjects.key").stat().st_mode & 0o777) == "0o600"
    folder.chmod(0o755)  # as earlier versions made it
    assert Pseudonyms(folder).subject("P1") == first
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


def test_a_key_that_others_could_read_is_refused(tmp_path):
    Pseudonyms(tmp_path / "keys")
    key = tmp_path / "keys" / "subjects.key"
    key.chmod(0o640)
    with pytest.raises(StoreError, match=f"can be read by others .*chmod 600 {key}"):
        Pseudonyms(tmp_path / "keys")
    key.chmod(0o600)
    Pseudonyms(tmp_path / "keys")


def test_a_key_may_be_given_by_the_surroundings_and_then_lies_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("DAEBIAS_KEY", KEY)
    one = Pseudonyms(tmp_path / "keys").subject("P1")
    assert not (tmp_path / "keys").exists()
    monkeypatch.setenv("DAEBIAS_KEY", KEY[::-1])
    assert Pseudonyms(tmp_path / "keys").subject("P1") != one
    for wrong in ("zz", "00"):
        monkeypatch.setenv("DAEBIAS_KEY", wrong)
        with pytest.raises(StoreError, match="DAEBIAS_KEY, is"):
            Pseudonyms(tmp_path / "keys")


@pytest.mark.parametrize("address, said", [("0.0.0.0", True), ("localhost", False)])
def test_serving_to_others_is_warned_of(address, said, dataset_name, monkeypatch, capsys):
    import fiftyone as fo

    from fiftyone_daebias import app

    class Session:  # the App itself is not started here
        def wait(self, seconds):
            pass

    fo.Dataset(dataset_name)
    monkeypatch.setattr(fo, "launch_app", lambda *a, **k: Session())
    monkeypatch.setattr(app, "link_plugin", lambda: None)
    app.open_app(dataset_name, port=55151, address=address, queue=False)
    out = capsys.readouterr().out
    assert ("asks nobody for a password" in out and "ssh -N -L 55151" in out) == said


def test_pictures_and_reports_are_made_for_their_owner_only(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    from fiftyone_daebias.figures import figure_path, save_figure

    monkeypatch.setenv("DAEBIAS_HOME", str(tmp_path / "home"))
    before = os.umask(0o022)
    try:
        path = figure_path("cohort", save_figure("cohort", "curve", Figure(), "a curve"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o077 == 0
    assert all(f.stat().st_mode & 0o077 == 0 for f in (path.parent, path.parent.parent, tmp_path / "home"))
