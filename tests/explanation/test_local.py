"""The local view: masks on their slices whatever their file's axes, and an answer that lies inside, outside or nowhere."""

import json

import fiftyone as fo
import nibabel as nib
import numpy as np
import pytest
from planted_images import make_dataset, train_and_embed

import fiftyone_daebias
from fiftyone_daebias import paths, store
from fiftyone_daebias.cohort.slices import open_slices
from fiftyone_daebias.errors import InputError
from fiftyone_daebias.explanation.masked_views.local_view import compare_views
from fiftyone_daebias.explanation.masked_views.masked_slices import MaskedSlices, box_of, pack, square_crop
from fiftyone_daebias.explanation.masked_views.masks import open_masks
from fiftyone_daebias.statistics.targets import Target


def test_views_are_paired_on_the_same_folds():
    rng = np.random.default_rng(0)
    y = np.repeat(rng.permutation(120) % 2, 2)
    subjects = np.repeat(np.arange(120), 2).astype(str)
    whole = rng.normal(size=(240, 8))
    whole[:, 0] += 1.2 * y
    codes = {"whole": whole, "inside": whole[:, :4], "outside": rng.normal(size=(240, 8)), "outline": whole}
    target = Target("t", "binary", np.arange(240), y, ("0", "1"))
    metric, chance, views, folds = compare_views(
        codes, target, subjects, n_permutations=199, n_bootstrap=300, repeats=2, seed=1
    )
    scores = {v.view: v for v in views}
    assert (metric, chance) == ("AUC", 0.5) and folds.shape == (2, 240)
    # the same vectors give the same answer, and a difference of exactly nothing
    assert scores["outline"].score == scores["whole"].score and scores["outline"].difference_interval == (0.0, 0.0)
    assert scores["whole"].p <= 0.01 and scores["outside"].p > 0.05
    assert scores["outside"].difference_interval[0] > 0
    assert scores["outside"].difference == pytest.approx(scores["whole"].score - scores["outside"].score)
    number = Target("n", "numeric", np.arange(240), whole[:, 1] + 0.2 * rng.normal(size=240))
    metric, chance, views, _ = compare_views(
        {"whole": whole, "inside": codes["outside"]},
        number,
        subjects,
        n_permutations=99,
        n_bootstrap=200,
        repeats=1,
        seed=1,
    )
    assert metric == "MAE" and views[0].score < chance and views[1].difference_interval[0] > 0


def test_the_crop_by_hand():
    mask = np.zeros((4, 20, 30), bool)
    mask[1:3, 0:4, 10:14] = True
    assert box_of(mask) == (0, 10, 4)
    mask[2, 0:10, 10:14] = True
    assert box_of(mask) == (0, 6, 11)  # ten rows and a margin of a twentieth on either side
    got = square_crop(np.ones((2, 20, 30), np.float32), (-2, 25, 8))
    assert (
        got.shape == (2, 8, 8)
        and (got[:, 2:, :5] == 1).all()
        and (got[:, :2] == -1).all()
        and (got[:, :, 5:] == -1).all()
    )


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Four NIfTI volumes of different axes, with label maps of yet other axes and one on a coarser grid."""
    folder = tmp_path_factory.mktemp("volumes")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    rng = np.random.default_rng(0)
    truth = {}
    for k, axes in enumerate(("RAS", "LPS", "PIR", "ASL")):
        ras = rng.integers(10, 60, (12, 30, 26)).astype(np.int16)  # R, A, S
        labels = np.zeros(ras.shape, np.uint8)
        labels[4:8, 6:18, 3:9], labels[2:4, 20:24, 15:20] = 1, 7
        ras[labels > 0] += 500
        affine = np.diag([4.0, 1.5, 2.0, 1.0])
        affine[:3, 3] = 5, -7, 11
        image, mask = nib.Nifti1Image(ras, affine), nib.Nifti1Image(labels, affine)
        goal = nib.orientations.axcodes2ornt(axes)
        image = image.as_reoriented(nib.orientations.ornt_transform(nib.orientations.io_orientation(affine), goal))
        if k == 3:
            mask = mask.slicer[:, :, :]  # TotalSegmentator's own axes; RAS
            mask = mask.as_reoriented(
                nib.orientations.ornt_transform(
                    nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt("LSA")
                )
            )
        image.to_filename(folder / "images" / f"sub-{k:02d}.nii.gz")
        mask.to_filename(folder / "labels" / f"sub-{k:02d}_seg.nii.gz")
        truth[f"sub-{k:02d}"] = (ras, labels)
    name = "test-explain-local-volumes"
    fiftyone_daebias.register(name, folder / "images", plane="sagittal", workers=1)
    yield fo.load_dataset(name), folder, truth
    fo.delete_dataset(name)


def test_label_maps_go_through_the_orientation_of_their_volume(volumes):
    dataset, folder, _ = volumes
    masks = open_masks(dataset, str(folder / "labels"))
    source = open_slices(dataset)
    assert set(masks.readers) == set(source.sample_ids) and masks.stem == "labels"
    for i, sample in enumerate(source.sample_ids):
        array, _ = source.cache.read(source.keys[i])
        mask = masks.readers[sample](array.shape)
        assert mask.shape == array.shape == (12, 26, 30)
        np.testing.assert_array_equal(mask, np.asarray(array) > 300)  # what is bright was labelled
    one = open_masks(dataset, str(folder / "labels"), ["7"])
    assert all(
        one.readers[s](source.cache.shape(source.keys[i])).sum() == 2 * 4 * 5 for i, s in enumerate(source.sample_ids)
    )
    # a view of the inside: only slices that hold the mask, or enough around them
    packed = {0: pack(masks.readers[source.sample_ids[0]]((12, 26, 30)))}
    inside = MaskedSlices(source, packed, "inside", 1)
    assert inside.n_slices(0) == 6 and MaskedSlices(source, packed, "inside", 9).n_slices(0) == 9
    got = inside.read(0)
    assert got.shape[1] == got.shape[2] and (got > -1).sum() == 4 * 12 * 6 + 2 * 4 * 5
    outside = MaskedSlices(source, packed, "outside", 1).read(0)
    assert outside.shape == (12, 26, 30) and outside.max() == 1 and inside.read(0).max() == 1  # each scaled by its own


def test_label_maps_of_another_grid_are_placed_or_refused(volumes, tmp_path):
    dataset, folder, truth = volumes
    source = open_slices(dataset)
    first = dataset.match({"daebias_source": str(folder / "images" / "sub-00.nii.gz")}).first()
    i = source.sample_ids.index(first.id)
    ras, labels = truth["sub-00"]
    # cut to the organ, as some tools write: resampled onto the volume by its affine
    affine = np.diag([4.0, 1.5, 2.0, 1.0])
    affine[:3, 3] = 5 + 2 * 4.0, -7 + 3 * 1.5, 11 + 1 * 2.0
    (tmp_path / "sub-00").mkdir()
    nib.Nifti1Image(labels[2:, 3:, 1:], affine).to_filename(tmp_path / "sub-00" / "organ.nii.gz")
    masks = open_masks(dataset, str(tmp_path))
    assert set(masks.readers) == {first.id}
    shape = source.cache.shape(source.keys[i])
    np.testing.assert_array_equal(
        masks.readers[first.id](shape), np.asarray(source.cache.read(source.keys[i])[0]) > 300
    )
    # far away: nothing of it lies on the volume
    affine[:3, 3] = 5000
    nib.Nifti1Image(labels, affine).to_filename(tmp_path / "sub-00" / "organ.nii.gz")
    assert not open_masks(dataset, str(tmp_path)).readers[first.id](shape).any()
    (tmp_path / "sub-00" / "organ.nii.gz").write_bytes(b"no nifti")
    with pytest.raises(InputError, match="cannot be read as NIfTI"):
        open_masks(dataset, str(tmp_path)).readers[first.id](shape)
    (tmp_path / "sub-00" / "second.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="no sample here has a mask"):
        open_masks(dataset, str(tmp_path))
    # DICOM volumes cannot be asked for their affine: what does not fit is refused, not guessed
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    nib.Nifti1Image(labels[:9], np.diag([4.0, 1.5, 2.0, 1.0])).to_filename(wrong / "sub-00.nii.gz")
    from fiftyone_daebias.explanation.masked_views.masks import aligned_map

    with pytest.raises(InputError, match="does not lie on its volume: 9 slices"):
        aligned_map(wrong / "sub-00.nii.gz", first["daebias_geometry"], shape, [])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Pictures with the marker in a corner; boxes around the corner, segmentations of the disc's half."""
    name = "test-explain-local"
    dataset = make_dataset(name, tmp_path_factory.mktemp("pictures"), n_subjects=80, seed=3)
    train_and_embed(dataset)
    corner = fo.Detection(label="corner", bounding_box=[3 / 40, 3 / 40, 10 / 40, 10 / 40])
    other = fo.Detection(label="disc", bounding_box=[16 / 40, 16 / 40, 18 / 40, 18 / 40])
    half = np.zeros((20, 20), np.uint8)  # of another size than the picture
    half[9:17, 9:17] = 2
    for sample in dataset.iter_samples(autosave=True):
        sample["boxes"] = fo.Detections(detections=[corner.copy(), other.copy()])
        sample["organ"] = fo.Segmentation(mask=half)
    yield dataset
    fo.delete_dataset(name)


AT = {"n_permutations": 99, "n_bootstrap": 200, "repeats": 1, "progress": None}


def test_the_marker_is_found_in_its_box_and_not_in_the_disc(dataset):
    result = dataset.daebias.local_view("site", "boxes", classes=["corner"], **AT)
    assert result.of("inside").score > 0.9 and result.of("inside").p <= 0.02
    assert result.of("outside").interval[0] < 0.5 and result.of("outline").score < 0.7
    assert result.share == pytest.approx(100 / 1600) and result.n_subjects == 80
    assert result.reading.startswith("site can be read inside the mask") and "not found without" in result.reading
    assert result.vectors in dataset.get_field_schema() and dataset.count(result.vectors) == 80
    assert (
        dataset.daebias.probe("site", vectors=result.vectors, n_permutations=99, repeats=1, progress=None).score > 0.9
    )
    moved = dataset.daebias.counterfactual(
        field="site", vectors=result.vectors, n_samples=8, n_permutations=99, n_bootstrap=100, progress=None
    )
    assert moved.comparison.endswith("(inside boxes)") and moved.key.endswith("site_dae_local_boxes")
    assert moved.response.mean[-1] > moved.response.mean[0]  # so briefly trained a decoder need not rise at every step
    with pytest.raises(InputError, match="of a local view themselves"):
        dataset.daebias.local_view("site", "boxes", vectors=result.vectors, **AT)
    disc = dataset.daebias.local_view("site", "organ", classes=["2"], **AT)
    assert disc.of("inside").interval[0] < 0.6 and "not found inside" in disc.reading
    assert disc.of("outside").score > 0.9 and disc.share == pytest.approx(256 / 1600)
    _, stored = store.load_run(dataset, disc.key)
    (figure,) = stored["figures"]
    assert (paths.figures_dir(dataset.name) / figure["png"]).stat().st_size > 10_000
    json.dumps(figure["plotly"])
    json.dumps(disc.to_dict())
    nothing = dataset.daebias.local_view("coin", "organ", **AT)
    assert "nothing to locate" in nothing.reading


def test_bad_input_says_so(dataset, tmp_path):
    for mask, classes, message in (
        ("nope", None, "neither a field nor a folder; fields with masks: boxes, organ"),
        (str(tmp_path), None, "no NIfTI files"),
        ("site", None, "label map"),
        ("age", None, "neither segmentations"),
        ("organ", ["lung"], "no pixel value"),
        ("organ", ["5"], "no mask here has a pixel"),
    ):
        with pytest.raises(InputError, match=message):
            dataset.daebias.local_view("site", mask, classes=classes, **AT)
    with pytest.raises(InputError, match="does not exist"):
        dataset.daebias.local_view("nope", "organ", **AT)


def test_a_picture_mask_is_refused_for_volumes(volumes):
    dataset, *_ = volumes
    dataset.set_values("flat", [fo.Segmentation(mask=np.ones((4, 4), np.uint8))] * 4)
    masks = open_masks(dataset, "flat")
    with pytest.raises(InputError, match="is a volume of 12 slices, but its mask is that of a picture"):
        next(iter(masks.readers.values()))((12, 26, 30))
