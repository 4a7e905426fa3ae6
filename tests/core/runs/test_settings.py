"""The table of settings: each entry belongs to the configuration, allows its default, and says what is wrong."""

from dataclasses import fields

import pytest

from core.errors import ConfigError
from core.runs import Augmentation, TrainingConfig
from core.runs.settings import GROUPS, SETTINGS


def test_each_setting_stands_once_and_is_one_of_the_configuration() -> None:
    names = [each.name for group in GROUPS.values() for each in group]

    assert len(set(names)) == len(names)
    fields_of_both = {each.name for each in (*fields(TrainingConfig), *fields(Augmentation))}
    assert set(names) <= {*fields_of_both, "side"}  # an argument of the network


@pytest.mark.parametrize("name", SETTINGS)
def test_the_default_is_allowed_and_there_is_help(name: str) -> None:
    SETTINGS[name].check(TrainingConfig().value(name))

    assert SETTINGS[name].help.endswith(".")
    assert SETTINGS[name].label


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", -3, "epochs must be 1 to 10000, got -3."),
        ("epochs", 2.5, "epochs must be a whole number, got 2.5."),
        ("seed", 2**31, "seed must be 0 to 2147483647, got 2147483648."),
        ("learning_rate", float("nan"), "learning_rate must be 1e-08 to 10, got nan."),
        ("balance", "even", "balance must be one of none, weights, sampling, got 'even'."),
        ("blur", 3, "blur must be 0 to 2, got 3."),
    ],
)
def test_what_is_not_allowed_is_refused_with_the_limits(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        SETTINGS[name].check(value)
    assert str(refused.value) == message


def test_none_and_files_are_allowed_where_the_table_says_so() -> None:
    SETTINGS["head_learning_rate"].check(None)
    SETTINGS["split"].check("mine.json")
    with pytest.raises(ConfigError, match=r"or a \.json file"):
        SETTINGS["split"].check("mine.csv")
    with pytest.raises(TypeError):
        SETTINGS["learning_rate"].check(None)
