"""Fixtures of the host's tests: `thecal` run in this process, alone in its own folders and with short deadlines."""

import pytest

from thecal_host.cli import run


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """No board, no log and no answer of the machine's own gets into a test, and nothing waits for long."""
    monkeypatch.setenv("THECAL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("THECAL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("THECAL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("THECAL_PORT", raising=False)
    monkeypatch.setattr("thecal_host.link.client.QUERY_DEADLINE_S", 1.0)
    monkeypatch.setattr("thecal_host.link.client.COMMAND_DEADLINE_S", 1.0)
    monkeypatch.setattr("thecal_host.link.session.FIRST_WAIT_S", 0.15)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)


@pytest.fixture
def thecal(alone, capsys):
    """Run `thecal` here; (exit code, standard output, standard error). A traceback is a failure whatever else happens."""

    def call(*argv):
        code = run([str(word) for word in argv])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call
