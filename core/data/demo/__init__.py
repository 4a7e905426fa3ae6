"""The demo data set: synthetic H&E-like lymph-node patches with known tumour masks.

So that a first visit needs no download, this package draws patches of its own: the same seed gives the same
patches.

What is simulated
    Some forty slides, each with its own stain vectors, stain strengths, background, blur and grain
    (:mod:`~core.data.demo.stains`); regions of lymphoid tissue, sinus, fibrous stroma, fat, empty glass and
    tumour nests (:mod:`~core.data.demo.tissue`); thousands of nuclei, each with an outline, chromatin and
    nucleoli (:mod:`~core.data.demo.nuclei`); cytoplasm, fibres and gaps (:mod:`~core.data.demo.canvas`);
    colour by Beer-Lambert's law, RGB = background · exp(-(H·h + E·e)). Patches are cut so that the centre
    holds either no tumour or at least 35 % (:mod:`~core.data.demo.generate`), four in ten are tumour, and
    some normal patches have tumour in the rim.

What is not
    Glands, vessels, mitoses, necrosis, single tumour cells, pen marks, folds, air bubbles, other cancers,
    wrong labels, and all that makes a real slide hard. The tumour mask is exact, which no annotation is.

Why it is no substitute for real data
    A network trained on it has learned this generator and nothing about patients. Accuracy on the demo data
    says that the machinery works, not that a model does. Use PatchCamelyon or the Kaggle set for every metric
    that is meant to mean something.

Sources: Ruifrok & Johnston, Anal Quant Cytol Histol 23:291-299, 2001 (stain vectors and optical density);
Macenko et al., ISBI 2009 (estimation of the vectors); Veeling et al., MICCAI 2018 (PatchCamelyon: 96×96
patches, label from the centre 32×32).
"""

from core.data.demo.generate import DemoPatches, generate_demo

__all__ = ["DemoPatches", "generate_demo"]
