"""The words of a report, for a physician."""

from ..analyses import glossary

_GENERAL: tuple[tuple[str, str], ...] = (
    (
        "audit",
        "A look at a collection of images before anyone trains a model on it: what do the images know beside what "
        "they should, and is anything wrong with them?",
    ),
    ("subject", "One person. Everything here counts persons, not images: whoever has many images does not weigh more."),
    (
        "diffusion autoencoder, embedding",
        "A neural network that learnt, without any labels, to sum up each image in a list of numbers from which "
        "it can draw the image again. That list is the image's embedding.",
    ),
    (
        "map (t-SNE)",
        "The embeddings laid out on a plane so that images that look alike lie close together. Distances between "
        "far islands and the sizes of islands mean nothing.",
    ),
    (
        "AUC",
        "How well two groups can be told apart: of one image from each group, the share of pairs that the probe "
        "puts in the right order. 0.5 is guessing, 1 is always right.",
    ),
    (
        "MAE",
        "Mean absolute error: by how much a guessed number is off on average. It is given beside the error of "
        "always guessing the median.",
    ),
    (
        "95 % interval",
        "The range in which the number would be expected if other persons had been examined. A wide one means "
        "that little is known.",
    ),
    (
        "p-value",
        "How often chance alone would look at least this strong: labels are shuffled among persons many times and "
        "everything is computed again.",
    ),
    (
        "q-value",
        "The p-value made honest for having asked many questions (Benjamini–Hochberg). Among all findings with q "
        "at most 0.05, about 5 % are expected to be chance.",
    ),
    (
        "found",
        "q at most 0.05 over everything that was tested, better than guessing, and still so among subjects alike "
        "in the fields named as expected, if any were.",
    ),
    (
        "explained",
        "There, but among subjects alike in the fields named as expected there is positively less than half of it: "
        "it follows from them.",
    ),
    (
        "inseparable",
        "There, but too few subjects are alike in the fields named as expected to tell it from them: it may follow "
        "from them, or not.",
    ),
    (
        "unconfirmed",
        "Nearly found: p is at most 0.05 and q at most 0.2; or its interval holds chance; or nobody knows what the "
        "group was drawn by; or there were too few permutations for so many tests.",
    ),
    (
        "built in",
        "The group was made from this very field, or from one that goes with it: it differs in it by construction, so "
        "a test means nothing.",
    ),
    ("expected", "A difference in a field that was named beforehand as no news."),
    (
        "older version",
        "Made by an older version of this tool, whose statistics are no longer trusted: not counted, to be run again.",
    ),
    ("Cramér's V", "How strongly a group and a category go together: 0 not at all, 1 completely."),
    (
        "Cliff's delta",
        "How far a number is shifted in a group: the chance that someone inside has the higher value, less the "
        "chance that someone outside has. 0 none, +1 or −1 no overlap.",
    ),
    (
        "SD",
        "Standard deviations within: a change of 1 SD moves the average image as far as images of the same kind "
        "usually differ.",
    ),
    (
        "looks like another class",
        "The probe, which never saw this person, puts the image on the other side of its own label: a wrong "
        "label, a bad image, or true anatomy.",
    ),
    (
        "leak",
        "The same person, or the same image, on both sides of a split into training and test data: test results "
        "are then too good.",
    ),
    (
        "smallest detectable effect",
        "An effect of this size would have been found in four of five such cohorts; smaller ones may be there unseen.",
    ),
)

#: terms of the package, and of each analysis
GLOSSARY: tuple[tuple[str, str], ...] = (*_GENERAL, *glossary())
