"""A FiftyOne model-zoo source: encoders of ``fiftyone_daebias`` by name.

FiftyOne copies this folder into its zoo and calls the two functions below; the
package itself must be installed.
"""

def download_model(model_name: str, model_path: str) -> None:
    """Called when a model's checkpoint is not where FiftyOne looks for it; the weights ship with this folder."""
    raise ValueError(
        f"the weights of {model_name!r} are missing at {model_path}; register this source again with overwrite=True"
    )


def load_model(model_name: str, model_path: str, device: str | None = None, **kwargs):
    """Loads a model for ``compute_embeddings``.

    Args:
        model_name: name in the manifest
        model_path: its checkpoint's folder
        device: where to compute; default: the best there is
    """
    from fiftyone_daebias.embeddings.fiftyone_model import EncoderModel

    return EncoderModel(model_path, device=device)
