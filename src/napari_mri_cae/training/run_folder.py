"""A run folder as others see it: how far the run is, what it has recorded, and how to ask it for something.

Nothing here needs torch, or the process that trains: the folder is all that there is to know about a run, so
one that goes on elsewhere is followed in the same way as one that ended yesterday.
"""

import csv
import json
import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_mri_cae.errors import InputError

if TYPE_CHECKING:
    from napari_mri_cae.training.config import TrainingConfig

State = Literal["new", "running", "paused", "stopped", "failed", "finished"]
Request = Literal["pause", "resume", "stop"]
Event = Mapping[str, Any]
OnEvent = Callable[[Event], None]


class Record(Protocol):
    """Takes down an event: its kind and its facts."""

    def __call__(self, kind: str, /, **facts: Any) -> None:
        """Take it down."""


HEARTBEAT_S: Final = 1.0
"""How often a run that goes on says so."""
_SILENCE_S: Final = 30.0
"""After so long without a word a run on another machine counts as dead."""
_ORDERS: Final[dict[Request, str]] = {"pause": "pause", "resume": "run", "stop": "stop"}


class RunStatus(BaseModel):
    """How far a run is, as its process last said."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State = "new"
    pid: int | None = None
    host: str = ""
    heartbeat: float = 0.0
    """Seconds since 1970 (UTC) when the process last said that it lives."""
    epoch: int = 0
    """Finished ones."""
    epochs: int = 0
    step: int = 0
    steps: int = 0
    message: str = ""
    """Why it stopped or failed."""

    @property
    def alive(self) -> bool:
        """Whether a process is at work on the run; on another machine, whether it was a short while ago.

        A run that is "running" or "paused" and not alive was killed: it can be resumed.
        """
        if self.state not in ("running", "paused") or self.pid is None:
            return False
        if self.host != socket.gethostname():
            return time.time() - self.heartbeat < _SILENCE_S
        return is_alive(self.pid) and time.time() - self.heartbeat < 20 * _SILENCE_S


class RunFolder:
    """The folder that holds everything about a run.

    Parameters
    ----------
    path
        Of the folder; it need not be there yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def config_path(self) -> Path:
        """The resolved configuration, every value spelled out."""
        return self.path / "config.yaml"

    @property
    def events_path(self) -> Path:
        """What happened, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def metrics_path(self) -> Path:
        """One row for each epoch."""
        return self.path / "metrics.csv"

    @property
    def model_path(self) -> Path:
        """The best model so far."""
        return self.path / "model.safetensors"

    @property
    def checkpoints(self) -> Path:
        """The folder of last.ckpt, best.ckpt and those of every so many epochs."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """Where a resumed run goes on."""
        return self.checkpoints / "last.ckpt"

    @property
    def previews(self) -> Path:
        """The folder of what the network makes of a few validation slices, epoch by epoch."""
        return self.path / "previews"

    @property
    def curves_path(self) -> Path:
        """The picture of the loss and PSNR curves."""
        return self.path / "curves.png"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def log_path(self) -> Path:
        """The traceback of a run that failed."""
        return self.path / "log.txt"

    @property
    def is_run(self) -> bool:
        """Whether a run has begun here."""
        return self.events_path.exists() or self.last_checkpoint.exists()

    @property
    def status(self) -> RunStatus:
        """How far the run is; "new" where none has begun."""
        try:
            return RunStatus.model_validate_json((self.path / "status.json").read_bytes())
        except (OSError, ValidationError):
            return RunStatus()

    def config(self) -> "TrainingConfig":
        """Return the run's configuration.

        Raises
        ------
        InputError
            If there is none, or it cannot be read.
        """
        from napari_mri_cae.training.config import TrainingConfig

        if not self.config_path.exists():
            raise InputError(f"{self.path} is no run: it has no {self.config_path.name}.")
        return TrainingConfig.load(self.config_path)

    def read_events(self, after_byte: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return the events that were recorded after a place in the file, and where to go on next time.

        Parameters
        ----------
        after_byte
            What the last call returned; 0 reads from the start.
        """
        try:
            with self.events_path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                # A file that became shorter is another run's: read it from the start.
                file.seek(after_byte if after_byte <= file.tell() else 0)
                place = file.tell()
                text = file.read()
        except FileNotFoundError:
            return [], 0
        # A line that is being written has no end yet.
        whole = text[: text.rfind(b"\n") + 1]
        events = []
        for line in whole.splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:  # Cut off by a full disk or a kill.
                continue
        return events, place + len(whole)

    def metrics(self) -> list[dict[str, float]]:
        """Return the rows of the metrics table, one for each epoch; what an epoch has not is NaN."""
        try:
            with self.metrics_path.open(newline="", encoding="utf-8") as file:
                return [
                    {name: float(value) if value else math.nan for name, value in row.items()}
                    for row in csv.DictReader(file)
                ]
        except (FileNotFoundError, ValueError, TypeError):
            return []

    def request(self, what: Request) -> None:
        """Ask the run to pause, to go on or to stop; it answers between two batches.

        Stopping keeps the best model so far, and the run can be resumed from its last finished epoch.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        try:
            write_text(self.path / "control", _ORDERS[what])
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror or error}.") from error

    def requested(self) -> str:
        """Return what the run was last asked for: "run", "pause" or "stop"."""
        try:
            order = (self.path / "control").read_text(encoding="utf-8").strip()
        except OSError:
            return "run"
        return order if order in _ORDERS.values() else "run"

    def write_status(self, status: RunStatus) -> None:
        """Replace the status, with the time as its heartbeat."""
        now = status.model_copy(update={"heartbeat": round(time.time(), 2)})
        write_text(self.path / "status.json", now.model_dump_json())

    def add_event(self, kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Append an event, and return it: its kind, the time, and facts that are plain values."""
        event = {"event": kind, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts}
        with self.events_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_finite(event)) + "\n")
        return event


def write_text(path: Path, text: str) -> None:
    """Write a small file beside its place and rename it, so that whoever reads it sees all or nothing."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine goes on; one that has ended and uncollected does not."""
    if os.name == "nt":  # pragma: no cover
        # There a signal of 0 would end it.
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)  # type: ignore[attr-defined]
        if not handle:
            return False
        code = ctypes.c_ulong()
        ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))  # type: ignore[attr-defined]
        ctypes.windll.kernel32.CloseHandle(handle)  # type: ignore[attr-defined]
        return code.value == 259
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True


def _finite(value: Any) -> Any:
    """Return a value as strict JSON has it: what is infinite or no number becomes null."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
