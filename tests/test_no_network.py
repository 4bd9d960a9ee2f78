from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# An address that is kept for documents: nothing would answer, even if a packet got out.
OUTSIDE = ("203.0.113.7", 80)


def test_a_connection_to_another_machine_is_refused_with_its_address() -> None:
    with socket.socket() as out, pytest.raises(RuntimeError, match=r"203\.0\.113\.7"):
        out.connect(OUTSIDE)
    with socket.socket() as out, pytest.raises(RuntimeError, match=r"203\.0\.113\.7"):
        out.connect_ex(OUTSIDE)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
        pytest.raises(RuntimeError, match=r"203\.0\.113\.7"),
    ):
        out.sendto(b"hello", OUTSIDE)
    with pytest.raises(RuntimeError, match=r"203\.0\.113\.7"):
        asyncio.run(asyncio.wait_for(asyncio.open_connection(*OUTSIDE), timeout=5))


def test_no_name_is_looked_up() -> None:
    with pytest.raises(RuntimeError, match=r"example\.org"):
        socket.getaddrinfo("example.org", 443)


def test_a_python_that_a_test_starts_is_kept_in_as_well() -> None:
    script = f"import socket; socket.create_connection({OUTSIDE!r}, timeout=5)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "203.0.113.7" in done.stderr
    assert "NetworkBlocked" in done.stderr


def test_loopback_and_unix_sockets_work(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as out:
        server.bind(str(tmp_path / "s"))
        server.listen()
        out.connect(str(tmp_path / "s"))


def test_tests_start_in_an_empty_folder_without_settings(tmp_path: Path) -> None:
    assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []
    assert not [name for name in os.environ if name.startswith(("REELWRIGHT_", "OPENAI_"))]


def test_torch_has_one_thread() -> None:
    import torch

    assert torch.get_num_threads() == 1
