"""A model of FiftyOne's zoo as an embedding; its weights lie on disk, as after a download."""

import json

import fiftyone as fo
import numpy as np
import pytest
import torch

from fiftyone_daebias.baselines.user_models import ZooEncoder, named
from fiftyone_daebias.embeddings.encoders import load_encoder
from fiftyone_daebias.errors import InputError

NAME = "small-squeezenet-torch"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A zoo with one model, made as FiftyOne's own manifest makes its torch models."""
    import torchvision

    folder = tmp_path_factory.mktemp("zoo")
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1().state_dict(), folder / "small.pth")
    (folder / "labels.txt").write_text("\n".join(f"{k}:{k}" for k in range(1000)))
    manifest = {
        "models": [
            {
                "base_name": NAME,
                "base_filename": "small.pth",
                "description": "for a test",
                "tags": ["embeddings"],
                "manager": {"type": "fiftyone.core.models.ModelManager", "config": {"url": "http://nowhere.invalid/x"}},
                "default_deployment_config_dict": {
                    "type": "fiftyone.zoo.models.torch.TorchvisionImageModel",
                    "config": {
                        "entrypoint_fcn": "torchvision.models.squeezenet1_1",
                        "entrypoint_args": {"weights": None},
                        "output_processor_cls": "fiftyone.utils.torch.ClassifierOutputProcessor",
                        "labels_path": str(folder / "labels.txt"),
                        "image_min_dim": 64,
                        "image_mean": [0.485, 0.456, 0.406],
                        "image_std": [0.229, 0.224, 0.225],
                        "embeddings_layer": "features.12",
                    },
                },
            }
        ]
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    old = fo.config.model_zoo_manifest_paths, fo.config.model_zoo_dir
    fo.config.model_zoo_manifest_paths, fo.config.model_zoo_dir = [str(folder / "manifest.json")], str(folder)
    yield folder
    fo.config.model_zoo_manifest_paths, fo.config.model_zoo_dir = old


@pytest.fixture
def dataset(tmp_path):
    import fiftyone_daebias

    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    from PIL import Image

    for k in range(12):
        Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8)).save(tmp_path / "images" / f"{k:02d}.png")
    name = "test-baselines-zoo"
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    fiftyone_daebias.register(name, tmp_path / "images")
    yield fo.load_dataset(name)
    fo.delete_dataset(name)


def test_a_zoo_model_embeds_under_its_own_name(zoo, dataset):
    result = dataset.compute_dae_embeddings(model=f"zoo:{NAME}", perplexity=3, progress=None)
    assert result.field == "zoo_small_squeezenet_torch_embedding" and result.samples == 12
    assert dataset.has_brain_run("zoo_small_squeezenet_torch_map")
    vectors = np.array(dataset.values(result.field))
    assert vectors.shape == (12, result.dimensions) and vectors.std(axis=0).max() > 0
    encoder = load_encoder(result.checkpoint)
    assert isinstance(encoder, ZooEncoder) and encoder.image_size == 224
    # the same pictures through FiftyOne itself, from grey files of the same size
    x = torch.rand(2, 1, 224, 224) * 2 - 1
    grey = ((x[:, 0] + 1) * 127.5).round().byte().numpy()
    with encoder.model as model:
        own = [model.embed(np.repeat(g[..., None], 3, axis=2)) for g in grey]
    np.testing.assert_allclose(encoder.encode(x).numpy(), np.stack([o.ravel() for o in own]), rtol=1e-3, atol=1e-4)
    assert named(f"zoo:{NAME}").format == "daebias-zoo"


def test_what_the_zoo_lacks_is_said(zoo, dataset):
    with pytest.raises(InputError, match="zoo has no model 'small-squeezenet'.*alike: small-squeezenet-torch"):
        dataset.compute_dae_embeddings(model="zoo:small-squeezenet", progress=None)
    (zoo / "small.pth").rename(zoo / "away.pth")
    try:
        with pytest.raises(InputError, match="could not be loaded"):
            dataset.compute_dae_embeddings(model=f"zoo:{NAME}", progress=None)
    finally:
        (zoo / "away.pth").rename(zoo / "small.pth")
