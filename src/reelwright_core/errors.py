"""Every error that Reelwright shows to a user, with the exit code that goes with it.

ReelwrightError                 1  the film could not be made
├── InputError                  2  what the user gave is wrong
│   ├── RefusedError               a script, plan or prompt that the safety gate refuses
│   ├── ScriptError                a script that cannot be read or understood
│   ├── StoryboardError            a storyboard file that does not fit its schema
│   ├── SceneError                 a physics scene's file that does not fit its schema
│   ├── GraphError                 a graph file that cannot be built
│   ├── FormulaError               a temporal formula that cannot be read or decided
│   ├── SettingsError              an unknown or unfit setting
│   ├── ModelError                 a model that is missing or cannot do what is asked
│   └── RunFolderError             a run folder that cannot be used
├── EndpointError               1  a language or vision model that does not answer
├── GeneratorError              1  a clip that could not be made
├── SimulationError             1  a simulation that failed, hung or broke a law of physics
├── StorageError                1  a disk that is full or refuses to write
├── LockedError                 1  a run folder that another process is using
└── ShotError                   1  one shot failed; says which and why
"""

from __future__ import annotations

from pathlib import Path


class ReelwrightError(Exception):
    """An error with one clear message: what was wrong, what was got, what to do."""

    exit_code = 1


class InputError(ReelwrightError):
    """The user's input is wrong; nothing was made."""

    exit_code = 2


class ScriptError(InputError):
    """The script cannot be read or nothing in it can be filmed."""


class RefusedError(InputError):
    """The safety gate refuses a text; nothing is filmed from it.

    It counts as wrong input: the same text is refused again, so it is to be changed, or its aspects
    are let through by a setting.
    """


class FormulaError(InputError):
    """A temporal formula cannot be read, or has more in it than can be decided."""


class SettingsError(InputError):
    """A setting is unknown or its value does not fit."""


class ModelError(InputError):
    """A model is missing, unreadable, or cannot do what is asked of it."""


class RunFolderError(InputError):
    """A run folder is missing, is no run folder, or belongs to another script."""


class FileError(InputError):
    """A fault in a text file, told with its place: `file:line: what was wrong`."""

    def __init__(self, problem: str, *, file: Path | str | None = None, line: int | None = None):
        place = "" if file is None else f"{file}:{line}: " if line is not None else f"{file}: "
        super().__init__(f"{place}{problem}")
        self.problem = problem
        self.file = None if file is None else Path(file)
        self.line = line


class StoryboardError(FileError):
    """A storyboard file does not fit its schema."""


class SceneError(FileError):
    """A physics scene's file does not fit its schema."""


class GraphError(FileError):
    """A graph file cannot be built."""


class EndpointError(ReelwrightError):
    """A language or vision model does not answer, or not in a usable way."""


class SimulationError(ReelwrightError):
    """A simulation failed, hung, or broke a law of physics; says how, with Blender's last words."""


class GeneratorError(ReelwrightError):
    """A clip could not be made."""


class StorageError(ReelwrightError):
    """The disk is full or refuses to write; what was finished stays."""


class LockedError(ReelwrightError):
    """Another process is using this run folder."""


class ShotError(ReelwrightError):
    """A shot could not be filmed."""

    def __init__(self, shot: str, why: str):
        super().__init__(f"shot {shot} could not be filmed: {why}")
        self.shot = shot
        self.why = why
