"""Opening the FiftyOne App on a dataset, with the plugin linked."""

from __future__ import annotations

import socket

from . import store
from .errors import InputError
from .plugin import link_plugin


def open_app(name: str, *, port: int = 5151, address: str = "localhost", remote: bool = False) -> None:
    """Serves the App and waits until it is closed.

    Args:
        name: name of a dataset
        port: TCP port to serve on
        address: address to serve on
        remote: serve only, without opening a browser

    Raises:
        InputError: no such dataset, or the port is taken
    """
    import fiftyone as fo

    dataset = store.load_samples(name)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1" if address == "localhost" else address, port)) == 0:
            raise InputError(f"port {port} is in use; pass another one, for example --port {port + 1}")
    link_plugin()
    session = fo.launch_app(dataset, port=port, address=address, remote=remote)
    print(f"App: http://{address}:{port}/datasets/{name}   (Ctrl-C ends it)", flush=True)
    session.wait(-1)
