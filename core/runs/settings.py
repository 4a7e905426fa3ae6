"""The settings of a training that a person chooses: one table for the checks, the command line and the form.

:class:`core.runs.config.TrainingConfig` holds the values and their defaults and checks them with :meth:`Setting.check`,
``python -m core train`` makes its options from :data:`GROUPS`, and the Train page its fields.
"""

import models
from core.data.split_file import SUFFIX
from core.data.split_rule import CHOICES, MOST_FOLDS
from core.runs.setting import Setting
from core.stain import METHODS as STAIN_METHODS
from models.enlarged import LARGEST_SIDE, PATCH

LARGEST_SEED = 2**31 - 1
"""What fits in 32 bits with a sign: every random generator that is used takes it."""


def _trackers() -> tuple[str, ...]:
    # Those that accelerate knows; imported only here, because most commands do without it.
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    return ("none", *sorted(LOGGER_TYPE_TO_CLASS))


GROUPS: dict[str, tuple[Setting, ...]] = {
    "Training": (
        Setting("epochs", "Epochs", "How often every training patch is seen.", low=1),
        Setting(
            "batch_size", "Batch size", "Patches in one step. More needs more memory; fewer makes noisier steps.",
            low=2, high=65_536,
        ),
        Setting(
            "learning_rate", "Learning rate", "How far one step goes. Too high and the loss jumps, too low and nothing "
            "moves. The learning-rate finder suggests one.",
            kind="number", low=1e-8, high=10, step=1e-4, format="%.2e",
        ),
        Setting(
            "patience", "Patience", "End early after this many epochs without a better validation AUC; 0 never does.",
            zero="never",
        ),
    ),
    "Network": (
        Setting(
            "model", "Network", "The kind of network; timm:NAME, such as timm:resnet18, is one of the package timm. A "
            "preset's other settings were chosen for its own.",
            kind="choice", listed=models.names, pattern=models.FOREIGN.pattern,
        ),
        Setting(
            "pretrained", "Starting weights", '"none" for random ones, "imagenet" for published ones, or the path of a '
            "file.", kind="text",
        ),
        Setting(
            "side", "Side of enlarged patches", "Patches are enlarged from 96 to this many pixels a side before the "
            "network sees them; time grows with the area. For EfficientNet-Lite, MobileNetV2 and timm.",
            low=PATCH, high=LARGEST_SIDE, optional=True, unit="px", zero="the network's own",
        ),
        Setting(
            "frozen_epochs", "Frozen epochs", "For this many epochs only the last layer is trained; then the whole "
            "network is fine-tuned. For networks with published weights.", zero="none",
        ),
    ),
    "Augmentation": (
        Setting(
            "symmetries", "Flips and 90° rotations", "Each training patch is shown in one of its eight orientations; "
            "tissue has no up or down.", kind="switch",
        ),
        Setting(
            "rotation", "Rotation", "Largest rotation about the centre; what comes in from outside is mirrored.",
            kind="number", high=180, unit="degrees", step=5,
        ),
        Setting(
            "zoom", "Zoom", "How much larger or smaller a patch becomes at most: 0.2 is 1.2 times either way. Strong "
            "zoom brings other tissue into the centre than the label is about.", kind="number", high=1, step=0.05,
        ),
        Setting(
            "stain", "Stain", "How much the strength of each dye varies (0.2 is much), as between laboratories.",
            kind="number", high=1, step=0.05,
        ),
        Setting(
            "brightness", "Brightness", "How much the whole patch gets lighter or darker (0.05 is usual).",
            kind="number", high=1, step=0.01,
        ),
        Setting(
            "blur", "Blur", "Largest blur, as if the patch were a little out of focus.",
            kind="number", high=2, unit="pixels", step=0.1,
        ),
        Setting(
            "jpeg", "JPEG", "Share of training patches that lose what a JPEG file of quality 50 to 95 loses.",
            kind="number", high=1, step=0.1,
        ),
        Setting(
            "cutout", "Cutout", "Share of training patches that lose a square of the rim. The centre always stays.",
            kind="number", high=1, step=0.1,
        ),
    ),
    "Stain normalisation": (
        Setting(
            "stain_normalisation", "Stain normalisation", "Bring the colours of every patch to those of a reference "
            "patch before the network sees it, in training and in every prediction: “macenko” by its two dyes, "
            "“reinhard” by its mean colours. Try it where patches of another laboratory look different.",
            kind="choice", listed=("none", *STAIN_METHODS),
        ),
        Setting(
            "stain_reference", "Reference patch", "The path of a patch whose colours all others get. Without one, the "
            "most typical of the training patches is taken.", kind="text",
        ),
    ),
    "Optimiser": (
        Setting(
            "optimiser", "Optimiser", "How gradients become steps; AdamW is the safer one.",
            kind="choice", listed=("adam", "adamw"),
        ),
        Setting(
            "schedule", "Learning rate over time", "One cycle warms up for a tenth of the steps and then falls to "
            "zero; plateau halves the rate when nothing improves.",
            kind="choice", listed=("constant", "one-cycle", "plateau"),
        ),
        Setting(
            "plateau_patience", "Patience before halving", "Only for the plateau schedule: the rate is halved after "
            "this many epochs without a lower validation loss.", low=1,
        ),
        Setting(
            "weight_decay", "Weight decay", "Pulls weights towards zero, against learning by heart.",
            kind="number", high=1, step=0.01, format="%g",
        ),
        Setting(
            "head_learning_rate", "Learning rate of the last layer", "Another rate for the last layer, which is new in "
            "networks with published weights. Without one, it is the same as for the rest.",
            kind="number", low=1e-8, high=10, optional=True, step=1e-4, format="%.2e", zero="as the rest",
        ),
        Setting(
            "clip", "Gradient clipping", "Steps with a longer gradient are shortened to this norm; 0 never does. "
            "Helps where the loss jumps.", kind="number", high=1_000_000, step=1, zero="never",
        ),
        Setting(
            "ema", "Moving average (EMA)", "The model is the average of the last weights, which is steadier: 0.99 "
            "counts about 100 steps, 0 takes the weights as they are.",
            kind="number", high=0.99999, step=0.001, format="%g", zero="off",
        ),
        Setting(
            "label_smoothing", "Label smoothing", "Targets a little away from 0 and 1, against being too sure.",
            kind="number", high=0.5, step=0.01,
        ),
    ),
    "Classes and split": (
        Setting(
            "balance", "Balance of the classes", "Where one class is rare: let both count the same in the loss, or "
            "draw as many patches of each.", kind="choice", listed=("none", "weights", "sampling"),
        ),
        Setting(
            "split", "Split", "Which patches train, validate and test. By slide is the honest one for new slides; a "
            "random one is optimistic. Where a data set comes with training and validation splits only, the default "
            "draws a test split from both; “valid-as-test” keeps its validation split for testing instead. Browse and "
            "`python -m core split` show how each divides the data, and save it.",
            kind="choice", listed=CHOICES, suffix=SUFFIX,
        ),
        Setting(
            "validation_data", "Validation from data set", "Which of several data sets gives the validation split; 1 "
            "is the first. Take one with slides that no training patch comes from.", low=1, high=1_000,
        ),
        Setting("split_seed", "Seed of the split", "Another number draws another split.", high=LARGEST_SEED),
        Setting(
            "folds", "Folds", "Divide into this many folds, one of which is the test split; 0 has none. A "
            "cross-validation trains all of them.", high=MOST_FOLDS, zero="none",
        ),
        Setting("fold", "Test fold", "Which of the folds is the test split, from 0 on.", high=MOST_FOLDS - 1),
        Setting(
            "patches", "Labelled patches", "Learn from this many labelled training patches, drawn at random; 0 takes "
            "all. Validation and test patches stay as they are. For several sizes at once, see learning curves.",
            high=LARGEST_SEED, step=100, zero="all",
        ),
        Setting(
            "decisions", "Decisions", "A file with decisions about patches that is used instead of the data set's own; "
            '"none" uses no decisions.', kind="text",
        ),
    ),
    "Teachers": (
        Setting(
            "teachers", "Teachers", "Paths of model files to learn from. The new network then also learns to predict "
            "what they predict.", kind="paths",
        ),
        Setting(
            "distillation", "Share of the teachers", "How much of the loss is towards the teachers' prediction; the "
            "rest is towards the label.", kind="number", high=1, step=0.1,
        ),
        Setting(
            "moved", "Moved patches", "Share of training patches that are moved, so that other tissue lies in their "
            "centre. They lose their label with it, and only the teachers teach them.",
            kind="number", high=1, step=0.1,
        ),
        Setting(
            "blended", "Blended patches", "Share of training patches that are mixed with up to half of another one. "
            "They lose their label with it, and only the teachers teach them.", kind="number", high=1, step=0.1,
        ),
        Setting(
            "unlabelled", "Unlabelled patches too", "Patches of the data set without a label are used too, with the "
            "teachers' prediction in place of it.", kind="switch",
        ),
    ),
    "Speed and repeating": (
        Setting(
            "precision", "Precision", "How numbers are stored while computing.",
            kind="choice", listed=("auto", "fp32", "bf16", "fp16"),
        ),
        Setting(
            "compile", "Compile the network", "Takes a minute or more before the first step and makes the others "
            "faster. gpu does so for long runs on a GPU only, auto always, where a compiler works.",
            kind="choice", listed=("gpu", "off", "auto"),
        ),
        Setting(
            "tracker", "Tracker", "Send the metrics of each epoch to a tracker too, whose package is installed.",
            kind="choice", listed=_trackers,
        ),
        Setting(
            "keep", "Which weights are kept", "The best epoch by validation AUC, or the last one.",
            kind="choice", listed=("best", "last"),
        ),
        Setting("seed", "Seed", "The same seed on the same computer gives the same run.", high=LARGEST_SEED),
    ),
}  # fmt: skip
"""The settings in the order of the form, in groups; the first group is what everybody sees."""

SETTINGS: dict[str, Setting] = {each.name: each for group in GROUPS.values() for each in group}
"""The same by name."""
