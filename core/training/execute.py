"""Work on a run in this process, from its directory to its bundle."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil

from core.data import decisions_of, open_dataset
from core.data.decisions import to_csv
from core.data.open import logger as data_logger
from core.data.open import recognise
from core.data.split_file import load_split, save_split
from core.data.split_rule import CHOICES
from core.data.store import log_notes
from core.errors import NodescopeError, StorageError
from core.memory import give_back
from core.runs.device_queue import device_slot
from core.runs.run import Run
from core.runs.status import Status
from core.stain import StainReference, reference_from_json, reference_to_json
from core.storage import atomic
from core.training.data import TrainingData, find_stain, gather
from core.training.distributed import ProcessGroup
from core.training.export import finish
from core.training.memory import keep_memory
from core.training.patches import Patches
from core.training.trainer import AfterEpoch, Stopped, Trainer, logger


def execute(run: Run, *, after_epoch: AfterEpoch = lambda _rows: None) -> Status:
    """Train the run to its end, or go on with it if it has a checkpoint; return its last status.

    The state on disk is "finished", "stopped" or "failed" afterwards; a failure is raised as well.

    Args:
        run: what is worked on.
        after_epoch: gets the rows of ``metrics.csv``; may end the run as "stopped".

    Raises:
        RunError: another process works on it.
        NodescopeError: the run failed; the sentence stands in its status too.
    """
    group = ProcessGroup(run.config().device)
    if not group.is_main:
        return _assist(run, group)
    lock = run.lock()
    try:
        # Nothing is written before the lock is held: until then the run may be another process's.
        if not _is_launched(run):
            run.withdraw_stop()
        run.record_process(os.getpid())
        run.sweep()
        with _logging_to(run):
            return _recorded(run, group, after_epoch)
    finally:
        group.begin(go=False)  # unless they have begun, the others need not wait any longer
        group.end()
        lock.release()


def _assist(run: Run, group: ProcessGroup) -> Status:
    """Learn along with the main process of a group, the only one that reads and writes the run."""
    # The argument does not count here: what the main process passed comes back.
    if group.begin(go=False):
        with suppress(Stopped), group.explained(run.path):
            Trainer(run, _gathered(run)).fit()
    group.end()
    return run.stored_status()


def _recorded(run: Run, group: ProcessGroup, after_epoch: AfterEpoch) -> Status:
    try:
        with group.explained(run.path):
            return _train_in_queue(run, group, after_epoch)
    except Stopped as reason:
        message = str(reason) or "Stopped on request; it can be resumed."
        logger.info("%s", message)
        status = _write_end(run, "stopped", message)
        # After the status: in between, a reader would see the run "running" again.
        run.withdraw_stop()
        return status
    except NodescopeError as error:
        run.check_there()  # if it is gone, that is the reason, and there is nowhere to write it
        logger.error("%s", error)
        _try_write_end(run, str(error))
        raise
    except KeyboardInterrupt:
        logger.info("Interrupted; resume it to go on from its last checkpoint.")
        _try_write_end(run, "Interrupted; it can be resumed from its last checkpoint.", state="stopped")
        raise
    except BaseException as error:
        run.check_there()
        logger.exception("The run failed.")
        _try_write_end(run, f"{type(error).__name__}: {error}")
        raise


def _is_launched(run: Run) -> bool:
    """Whether this process was launched for the run: its launcher has withdrawn old requests, a newer one counts."""
    process = run.process()
    # One of several that train together is the launcher's child.
    return process is not None and process.pid in (os.getpid(), *(each.pid for each in psutil.Process().parents()))


def _train_in_queue(run: Run, group: ProcessGroup, after_epoch: AfterEpoch) -> Status:
    """Wait until the device is free, then train."""
    config = run.config()
    # What an earlier session reached stays in the status while the run waits for its device.
    earlier = run.stored_status()

    logged = ""

    def wait(place: str) -> None:
        nonlocal logged
        if place != logged:  # the status is renewed every few seconds, the log only when the place changes
            logger.info("%s.", place)
        logged = place
        run.write_status(earlier.now(state="queued", stage=place, message="", epochs=config.epochs))

    def give_up() -> None:
        if run.stop_requested():
            run.write_status(earlier.now(state="queued", stage="", message=""))
            raise Stopped

    with device_slot(run, config.device, gpus=group.gpus_here, wait=wait, give_up=give_up):
        return _train(run, group, after_epoch)


def _train(run: Run, group: ProcessGroup, after_epoch: AfterEpoch) -> Status:
    started = time.monotonic()
    config = run.config()
    earlier = run.stored_status()
    status = earlier.now(state="running", epochs=config.epochs, message="", seconds_left=None)
    keep_memory()
    give_back(group.device)  # what an earlier run of this process left
    training_data = _training_data(run, status)
    # Only now, because the others divide their data by the copies of split and decisions made above.
    group.begin(go=True)
    trainer = Trainer(run, training_data, started=started)
    logger.info(
        "Training %s on %d patches (%s), validating on %d.",
        config.model, len(training_data.train), trainer.reporter.status.device, len(training_data.valid),
    )  # fmt: skip
    trainer.fit(after_epoch)
    reporter, outcome, device = trainer.reporter, trainer.outcome(), trainer.train_step.device
    # What has learnt needs memory that the predictions of the result may need more.
    del trainer
    give_back(device)

    def notify(stage: str) -> None:
        run.write_status(reporter.status.now(stage=stage, seconds=reporter.seconds()))

    finish(run, outcome, notify=notify)
    logger.info("Finished; the bundle is %s.", run.bundle_path)
    return _write_end(run, "finished", "")


def _training_data(run: Run, status: Status) -> TrainingData:
    def notify(stage: str, share: float) -> None:
        run.write_status(status.now(stage=f"{stage} ({share:.0%})"))

    run.write_status(status.now(stage="Opening the data"))
    training_data = _gathered(run, notify)
    run.write_status(status.now(stage="Preparing the network"))
    for problem in training_data.problems:
        logger.warning("Excluded %s: %s", problem.name, problem.reason)
    for patches in (training_data.train, training_data.valid):
        log_notes(logger, patches.notes, list(patches.ids))
    if run.checkpoint_path.exists() and (run.path / "data.json").exists():
        return training_data  # a run whose data are others now is refused, and must not describe these
    split = training_data.split_table().to_csv(index=False, lineterminator="\n")
    atomic.write_text(run.place("split.csv"), split)
    atomic.write_json(run.place("data.json"), [source.provenance() for source in training_data.sources])
    return training_data


def _gathered(run: Run, notify: Callable[[str, float], None] = lambda *_: None) -> TrainingData:
    config = run.config()
    datasets = [
        open_dataset(
            source,
            progress=lambda share: notify("Generating the demo set", share),
            decisions=_decisions(run, number, source),
        )
        for number, source in enumerate(config.data)
    ]
    training_data = gather(
        datasets,
        config.with_changes(split=_split(run)),
        progress=lambda share: notify("Reading patches", share),
    )
    return replace(training_data, stain=_stain(run, training_data.train))


def _stain(run: Run, train: Patches) -> StainReference | None:
    """Return what the run normalises stains to: measured at its first start, so that resuming trains on the same."""
    path = run.path / "stain.json"
    if run.config().stain_normalisation != "none" and not path.is_file():
        found = find_stain(run.config(), train)
        atomic.write_json(run.place(path.name), None if found is None else reference_to_json(found))
    if not path.is_file():
        return None
    try:
        return reference_from_json(run.require_json(path.name))
    except ValueError as error:
        raise run.damaged(path.name, str(error)) from error


def _split(run: Run) -> str:
    """Return how the run divides its data: by name, or the path of a copy of the split file made at its first start."""
    split, path = run.config().split, run.path / "split.json"
    if split in CHOICES:
        return split
    if not path.is_file():
        save_split(load_split(Path(split)), run.place(path.name))
    return str(path)


def _decisions(run: Run, number: int, source: str) -> Path:
    """Return the decisions that the run obeys: a copy made at its first start, so that resuming trains on the same."""
    path = run.path / f"decisions-{number}.csv"
    if not path.is_file():
        own = recognise(source)
        atomic.write_text(run.place(path.name), to_csv(decisions_of(own, run.config().decisions or None)))
    return path


def _write_end(run: Run, state: str, message: str) -> Status:
    status = run.stored_status()
    # A run whose patience was over took fewer steps, and is done all the same.
    done = {"step": status.steps, "epoch": status.epochs} if state == "finished" else {}
    status = status.now(state=state, stage="", message=message, seconds_left=None, **done)
    run.write_status(status)
    return status


def _try_write_end(run: Run, message: str, *, state: str = "failed") -> None:
    # On a full disk the last status cannot be written; the run is then seen as lost, and its log says why.
    with suppress(StorageError):
        if run.is_there():
            _write_end(run, state, message)


@contextmanager
def _logging_to(run: Run) -> Iterator[None]:
    handler = logging.FileHandler(run.log_path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.setLevel(logging.INFO)
    # What was left out of the data belongs into the log of the run, and then nowhere else.
    data_logger.propagate = False
    for each in (logger, data_logger):
        each.addHandler(handler)
    try:
        yield
    finally:
        data_logger.propagate = True
        for each in (logger, data_logger):
            each.removeHandler(handler)
        handler.close()
