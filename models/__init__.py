"""A FiftyOne model-zoo source: encoders of ``fiftyone_daebias`` by name.

FiftyOne copies this folder into its zoo and calls the two functions below; the
package itself must be installed. FiftyOne knows a model by one file, while a
checkpoint is a folder: the file names the folder beside it.
"""

from pathlib import Path


def download_model(model_name: str, model_path: str) -> None:
    """Makes the file by which FiftyOne knows the model; the weights came with this folder."""
    path = Path(model_path)
    if not (path.parent / model_name / "model.json").is_file():
        raise ValueError(
            f"the weights of {model_name!r} are missing in {path.parent}; register it again with overwrite=True"
        )
    path.write_text(model_name + "\n")


def load_model(model_name: str, model_path: str, device: str | None = None, **kwargs):
    """Loads a model for ``compute_embeddings``.

    Args:
        model_name: name in the manifest
        model_path: the file that names its checkpoint's folder
        device: where to compute; default: the best there is
    """
    from fiftyone_daebias.embeddings.fiftyone_model import EncoderModel

    return EncoderModel(Path(model_path).parent / model_name, device=device)
