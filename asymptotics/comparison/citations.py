"""The papers whose theory a result rests on, as BibTeX."""

from __future__ import annotations

from asymptotics.experiment.grid import Experiment

#: Key → BibTeX, newest setting first.
BIBTEX = {
    "dandi2024giant": """@article{dandi2024giant,
  title   = {How Two-Layer Neural Networks Learn, One (Giant) Step at a Time},
  author  = {Dandi, Yatin and Krzakala, Florent and Loureiro, Bruno and Pesce, Luca and Stephan, Ludovic},
  journal = {Journal of Machine Learning Research},
  volume  = {25},
  number  = {349},
  year    = {2024},
  eprint  = {2305.18270},
  archivePrefix = {arXiv}
}""",
    "cui2024asymptotics": """@inproceedings{cui2024asymptotics,
  title     = {Asymptotics of feature learning in two-layer networks after one gradient-step},
  author    = {Cui, Hugo and Pesce, Luca and Dandi, Yatin and Krzakala, Florent and Lu, Yue M. and
               Zdeborov{\\'a}, Lenka and Loureiro, Bruno},
  booktitle = {International Conference on Machine Learning},
  year      = {2024},
  eprint    = {2402.04980},
  archivePrefix = {arXiv}
}""",
    "mei2022generalization": """@article{mei2022generalization,
  title   = {The generalization error of random features regression: Precise asymptotics and the double descent curve},
  author  = {Mei, Song and Montanari, Andrea},
  journal = {Communications on Pure and Applied Mathematics},
  volume  = {75},
  number  = {4},
  pages   = {667--766},
  year    = {2022}
}""",
    "dandi2024benefits": """@inproceedings{dandi2024benefits,
  title     = {The Benefits of Reusing Batches for Gradient Descent in Two-Layer Networks:
               Breaking the Curse of Information and Leap Exponents},
  author    = {Dandi, Yatin and Troiani, Emanuele and Arnaboldi, Luca and Pesce, Luca and
               Zdeborov{\\'a}, Lenka and Krzakala, Florent},
  booktitle = {International Conference on Machine Learning},
  year      = {2024},
  eprint    = {2402.03220},
  archivePrefix = {arXiv}
}""",
    "arnaboldi2024online": """@inproceedings{arnaboldi2024online,
  title     = {Online Learning and Information Exponents: On The Importance of Batch size, and
               Time/Complexity Tradeoffs},
  author    = {Arnaboldi, Luca and Dandi, Yatin and Krzakala, Florent and Loureiro, Bruno and Pesce, Luca and
               Stephan, Ludovic},
  booktitle = {International Conference on Machine Learning},
  year      = {2024},
  eprint    = {2406.02157},
  archivePrefix = {arXiv}
}""",
    "saad1995online": """@article{saad1995online,
  title   = {On-line learning in soft committee machines},
  author  = {Saad, David and Solla, Sara A.},
  journal = {Physical Review E},
  volume  = {52},
  pages   = {4225--4243},
  year    = {1995}
}""",
}


def citation_keys(experiment: Experiment) -> tuple[str, ...]:
    """Keys of :data:`BIBTEX` for what the theory of ``experiment`` uses: the setting always, then protocol and fit."""
    keys = ["dandi2024giant"]
    if experiment.has_ridge and max(experiment.steps) > 0:
        keys.append("cui2024asymptotics")
    if experiment.has_ridge and min(experiment.steps) == 0:
        keys.append("mei2022generalization")
    return (*keys, *experiment.trainings[0].traits.papers)


def bibtex(experiment: Experiment) -> str:
    """The entries of :func:`citation_keys`, a blank line between."""
    return "\n\n".join(BIBTEX[key] for key in citation_keys(experiment))
