"""Opening the FiftyOne App on a dataset, with the plugin linked."""

from __future__ import annotations

import os
import socket

from . import run_queue, store
from .errors import InputError
from .plugin import link_plugin

_OPEN = """\
WARNING: the App asks nobody for a password. Whoever reaches {address}:{port} sees all images and may change and
delete every dataset, and can read any file that you can read, by /media?filepath=…
Serve it to yourself alone and let an SSH tunnel or a proxy with a login in front of it do the rest:
    here:        daebias app DATASET --remote
    elsewhere:   ssh -N -L {port}:localhost:{port} you@this-machine     then open http://localhost:{port}
For several people see "Who can reach the App" in SECURITY.md."""


def open_app(
    name: str | None = None, *, port: int = 5151, address: str = "localhost", remote: bool = False, queue: bool = True
) -> None:
    """Serves the App and waits until it is closed.

    Args:
        name: name of a dataset; default: the App lists those there are
        port: TCP port to serve on
        address: address to serve on
        remote: serve only, without opening a browser
        queue: offer to send long steps to the background, and work them off

    Raises:
        InputError: no such dataset, or the port is taken
    """
    if queue:  # read by FiftyOne when it is imported, and by the server that it starts
        os.environ.setdefault("FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS", "true")
    import fiftyone as fo

    dataset = None if name is None else store.load_samples(name)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1" if address == "localhost" else address, port)) == 0:
            raise InputError(f"port {port} is in use; pass another one, for example --port {port + 1}")
    link_plugin()
    if address not in ("localhost", "127.0.0.1", "::1"):
        print(_OPEN.format(address=address, port=port), flush=True)
    where = "" if name is None else f"/datasets/{name}"
    session = fo.launch_app(dataset, port=port, address=address, remote=remote)
    if queue:
        run_queue.begin_worker(os.getpid())
    print(f"App: http://{address}:{port}{where}   (Ctrl-C ends it)", flush=True)
    session.wait(-1)
