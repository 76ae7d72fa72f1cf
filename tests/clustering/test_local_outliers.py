"""What is strange in one place: pictures with known oddities, and the verb on real images in a real database."""

import cv2
import fiftyone as fo
import numpy as np
import pytest
from small_cohort import copy_cohort

import fiftyone_daebias  # noqa: F401  adds the methods
from fiftyone_daebias import register, schema, store
from fiftyone_daebias.clustering.local_outliers import SIDE, local_outliers, place_box, place_words, small_picture
from fiftyone_daebias.statistics.outliers import nearest_others


def bodies(n: int = 80, seed: int = 0, n_slices: int = 6) -> np.ndarray:
    """Volumes of a bright ellipse that is somewhere else, and of another size, in each: (n, S, 96, 96)."""
    rng = np.random.default_rng(seed)
    out = np.empty((n, n_slices, 96, 96), np.float32)
    for volume in out:
        image = np.zeros((96, 96), np.float32)
        centre = tuple(int(v) for v in rng.normal(48, 3, 2))
        cv2.ellipse(
            image, centre, (int(rng.normal(24, 2)), int(rng.normal(34, 2))), float(rng.normal(0, 8)), 0, 360, 600, -1
        )
        image = cv2.GaussianBlur(image, (0, 0), 2) + 30
        volume[:] = np.hypot(image + rng.normal(0, 12, volume.shape), rng.normal(0, 12, volume.shape))
    return out


def look(volumes, subjects=None):
    pictures = np.stack([small_picture(v) for v in volumes])
    subjects = np.arange(len(volumes)) if subjects is None else subjects
    # as an embedding that does not see the mark: the pictures' coarse parts
    coarse = np.array([cv2.resize(p.mean(axis=0), (6, 6), interpolation=cv2.INTER_AREA).ravel() for p in pictures])
    _, nearest = nearest_others(coarse, subjects, 20)
    return local_outliers(pictures, nearest, subjects)


def test_a_burned_in_square_is_found_with_its_place_and_its_companions():
    volumes = bodies()
    marked = [3, 17, 40, 41]
    volumes[marked, :, 8:16, 78:86] = 700
    found = look(volumes)
    assert set(np.argsort(-found.scores)[:4]) == set(marked)
    assert (found.scores[marked] > 3.5).all() and np.median(np.abs(found.scores)) < 1
    for k in marked:
        left, top, width, height = place_box(found.places[k])
        assert left <= 82 / 96 <= left + width and top <= 12 / 96 <= top + height
        assert place_words(found.places[k]) == "upper right"
    assert [g.rows for g in found.groups] == [tuple(marked)]


def test_one_in_few_slices_is_found_and_one_subject_makes_no_group():
    volumes = bodies()
    volumes[5, :2, 10:18, 10:18] = 700
    assert np.argmax(look(volumes).scores) == 5
    volumes[[5, 6, 7, 8], :, 10:18, 10:18] = 700
    subjects = np.arange(len(volumes))
    subjects[5:9] = 5
    found = look(volumes, subjects)
    assert set(np.argsort(-found.scores)[:4]) == {5, 6, 7, 8} and found.groups == ()


def test_where_many_share_it_all_of_them_are_in_the_group():
    volumes = bodies(120)
    marked = np.arange(0, 120, 10)
    volumes[marked, :, 8:16, 8:16] = 700
    groups = look(volumes).groups
    assert len(groups) == 1 and set(groups[0].rows) == set(marked)


def test_nothing_odd_makes_no_group_and_brightness_is_no_oddity():
    volumes = bodies(seed=3) * np.random.default_rng(0).uniform(0.2, 5, 80).astype(np.float32)[:, None, None, None]
    found = look(volumes)
    assert found.groups == () and (found.scores > 3.5).sum() <= 3
    same = look(np.repeat(bodies(1), 60, axis=0))
    assert np.abs(same.scores).max() < 1


def test_pictures_of_nothing_and_of_one_slice():
    assert small_picture(np.zeros((4, 10, 10))).max() == 0
    assert small_picture(np.ones((1, 300, 200)), 1).shape == (1, SIDE, SIDE)


@pytest.fixture
def marked(dataset_name, tmp_path):
    images, table = copy_cohort(tmp_path, 200)
    paths = sorted(images.iterdir())
    for path in paths[:5]:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        image[40:50, 4:12] = np.where(np.indices((10, 8)).sum(axis=0) % 4 < 2, 255, 0)
        cv2.imwrite(str(path), image)
    register(dataset_name, images, table, subject="subject_id", progress=None)
    dataset = fo.load_dataset(dataset_name)
    pictures = np.stack(
        [
            cv2.resize(cv2.imread(p, cv2.IMREAD_GRAYSCALE), (8, 8), interpolation=cv2.INTER_AREA).ravel()
            for p in dataset.values("filepath")
        ]
    )
    store.write_vectors(dataset, "dae_embedding", store.sample_ids(dataset), pictures)
    return dataset, {p.stem for p in paths[:5]}


def test_the_verb_tags_boxes_groups_and_forgets(marked):
    dataset, names = marked
    result = dataset.daebias.tag(progress=None)
    assert len(result.alike) == 1 and result.alike[0].n_subjects == 5 and "left" in result.alike[0].place
    members = dataset.match_tags(schema.TAG_ALIKE + "1")
    assert {p.rsplit("/", 1)[-1].rsplit(".", 1)[0].split("_")[0] for p in members.values("filepath")} >= {
        n.split("_")[0] for n in names
    }
    assert set(result.local) == set(dataset.match_tags(schema.TAG_LOCAL).values("id"))
    assert dataset.count(schema.LOCAL_FIELD) == 200
    box = members.first()[schema.LOCAL_PLACE_FIELD].detections[0]
    left, top, width, height = box.bounding_box
    assert box.label == "alike:1" and left < 12 / 64 and 40 / 64 < top + height and top < 50 / 64
    assert "share something" in str(result) and result.to_dict()["alike"][0]["n_subjects"] == 5
    proposed = dataset.daebias.suggest_clusters(space="embedding", min_size=5, resamples=0, progress=None)
    cluster = next(c for c in proposed.clusters if c.origin == "alike")
    assert set(cluster.members) == set(result.alike[0].members)
    again = dataset.daebias.tag(local=False, progress=None)
    assert again.local == () and again.alike == () and "not looked at" in str(again)
    assert not dataset.has_field(schema.LOCAL_PLACE_FIELD)
    assert not [t for t in dataset.count_sample_tags() if t.startswith((schema.TAG_ALIKE, schema.TAG_LOCAL))]
