import pytest


@pytest.fixture(scope="session")
def tiny():
    """An architecture and a recipe that train in seconds."""
    from fiftyone_daebias.dae.config import ModelConfig, TrainConfig

    model = ModelConfig(
        image_size=16,
        patch=2,
        channels=16,
        multipliers=(1, 2),
        blocks=1,
        attention=(4,),
        dropout=0.1,
        embed_dim=32,
        z_dim=8,
        encoder="lite",
        lite_encoder_channels=(16, 32),
        prediction="x0",
    )
    train = TrainConfig(images=160, batch_size=16, lr=2e-3, warmup=3, ema=0.9, time_power=3.0, save_every=64)
    return model, train


@pytest.fixture(scope="session")
def trained(tiny, tmp_path_factory):
    """The tiny model trained long enough to use z_sem, with its source and folder."""
    from dataclasses import replace

    from memory import MemorySource, train_tiny

    from fiftyone_daebias.dae.checkpoint import load_model

    source = MemorySource(n=64)
    folder = tmp_path_factory.mktemp("trained")
    train_tiny(source, folder, tiny[0], replace(tiny[1], images=4000, save_every=4000, crop=1.0))
    return load_model(folder), source, folder
