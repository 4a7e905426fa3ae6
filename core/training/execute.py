"""Work on a run in this process, from its directory to its bundle."""

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from core import atomic
from core.data import open_dataset
from core.errors import NodescopeError, StorageError
from core.training.finish import finish
from core.training.loop import Loop, Stopped, logger
from core.training.material import Material, gather
from core.training.run import Run
from core.training.status import Status
from core.training.turn import turn


def execute(run: Run) -> Status:
    """Train the run to its end, or go on with it if it has a checkpoint; return its last status.

    The state on disk is "finished", "stopped" or "failed" afterwards; a failure is raised as well.

    Raises:
        RunError: another process works on it.
        NodescopeError: the run failed; the sentence stands in its status too.
    """
    lock = run.lock()
    try:
        if not _is_launched(run):
            run.withdraw_stop()
        run.record_process(os.getpid())
        with _logging_to(run):
            return _recorded(run)
    finally:
        lock.release()


def _recorded(run: Run) -> Status:
    try:
        return _train_in_turn(run)
    except Stopped:
        logger.info("Stopped as asked; resume it to go on.")
        status = _last_word(run, "stopped", "Stopped as asked; it can be resumed.")
        run.withdraw_stop()
        return status
    except NodescopeError as error:
        logger.error("%s", error)
        _try_last_word(run, str(error))
        raise
    except KeyboardInterrupt:
        logger.info("Interrupted; resume it to go on from its last checkpoint.")
        _try_last_word(run, "Interrupted; it can be resumed from its last checkpoint.", state="stopped")
        raise
    except BaseException as error:
        logger.exception("The run failed.")
        _try_last_word(run, f"{type(error).__name__}: {error}")
        raise


def _is_launched(run: Run) -> bool:
    """Whether this process was launched for the run: its launcher has withdrawn old requests, a newer one counts."""
    process = run.process()
    return process is not None and process.pid == os.getpid()


def _train_in_turn(run: Run) -> Status:
    """Wait until the device is free, then train."""
    config = run.config()
    earlier = read_status(run)

    def wait(words: str) -> None:
        logger.info("%s.", words)
        run.write_status(earlier.now(state="queued", stage=words, message="", epochs=config.epochs))

    def give_up() -> None:
        if run.stop_requested():
            run.write_status(earlier.now(state="queued", stage="", message=""))
            raise Stopped

    with turn(run, config.device, wait=wait, give_up=give_up):
        return _train(run)


def _train(run: Run) -> Status:
    started = time.monotonic()
    config = run.config()
    earlier = read_status(run)
    status = earlier.now(state="running", epochs=config.epochs, message="", seconds_left=None)
    material = _material(run, status)
    loop = Loop(run, config, material, started=started)
    logger.info(
        "Training %s on %d patches (%s), validating on %d.",
        config.model, len(material.train), loop.status.device, len(material.valid),
    )  # fmt: skip
    loop.fit()
    if loop.accelerator.is_main_process:
        finish(run, loop, say=lambda stage: run.write_status(loop.status.now(stage=stage, seconds=loop.seconds())))
    logger.info("Finished; the bundle is %s.", run.bundle_path)
    return _last_word(run, "finished", "")


def _material(run: Run, status: Status) -> Material:
    def say(stage: str, share: float) -> None:
        run.write_status(status.now(stage=f"{stage} ({share:.0%})"))

    config = run.config()
    run.write_status(status.now(stage="Opening the data"))
    datasets = [
        open_dataset(source, progress=lambda share: say("Generating the demo set", share)) for source in config.data
    ]
    material = gather(
        datasets,
        split=config.split,
        split_seed=config.split_seed,
        progress=lambda share: say("Reading patches", share),
    )
    for problem in material.problems:
        logger.warning("Left out %s: %s", problem.name, problem.reason)
    split = material.split_table().to_csv(index=False, lineterminator="\n")
    atomic.write_text(run.path / "split.csv", split)
    atomic.write_json(run.path / "data.json", [source.provenance() for source in material.sources])
    return material


def _last_word(run: Run, state: str, message: str) -> Status:
    status = read_status(run)
    done = {"step": status.steps, "epoch": status.epochs} if state == "finished" else {}
    status = status.now(state=state, stage="", message=message, seconds_left=None, **done)
    run.write_status(status)
    return status


def read_status(run: Run) -> Status:
    """Return the last word as it stands on disk, without any conclusion from processes."""
    return Status.from_json(json.loads((run.path / "status.json").read_text("utf-8")))


def _try_last_word(run: Run, message: str, *, state: str = "failed") -> None:
    # On a full disk the last word cannot be written; the run is then seen as lost, and its log says why.
    with suppress(StorageError):
        _last_word(run, state, message)


@contextmanager
def _logging_to(run: Run) -> Iterator[None]:
    handler = logging.FileHandler(run.log_path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
