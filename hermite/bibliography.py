"""The papers that answers rest on, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable

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
    "benarous2021online": """@article{benarous2021online,
  title     = {Online stochastic gradient descent on non-convex losses from high-dimensional inference},
  author    = {Ben Arous, Gerard and Gheissari, Reza and Jagannath, Aukosh},
  journal   = {Journal of Machine Learning Research},
  year      = {2021},
  eprint    = {2003.10409},
  archivePrefix = {arXiv}
}""",
    "abbe2022merged": """@inproceedings{abbe2022merged,
  title     = {The merged-staircase property: a necessary and nearly sufficient condition
               for {SGD} learning of sparse functions on two-layer neural networks},
  author    = {Abbe, Emmanuel and Boix-Adser{\\`a}, Enric and Misiakiewicz, Theodor},
  booktitle = {Conference on Learning Theory},
  year      = {2022},
  eprint    = {2202.08658},
  archivePrefix = {arXiv}
}""",
    "abbe2023sgd": """@inproceedings{abbe2023sgd,
  title     = {{SGD} learning on neural networks: leap complexity and saddle-to-saddle dynamics},
  author    = {Abbe, Emmanuel and Boix-Adser{\\`a}, Enric and Misiakiewicz, Theodor},
  booktitle = {Conference on Learning Theory},
  year      = {2023},
  eprint    = {2302.11055},
  archivePrefix = {arXiv}
}""",
    "damian2023smoothing": """@inproceedings{damian2023smoothing,
  title     = {Smoothing the Landscape Boosts the Signal for {SGD}: Optimal Sample Complexity for Learning Single Index Models},
  author    = {Damian, Alex and Nichani, Eshaan and Ge, Rong and Lee, Jason D.},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2023},
  eprint    = {2305.10633},
  archivePrefix = {arXiv}
}""",
    "damian2024computational": """@inproceedings{damian2024computational,
  title     = {Computational-Statistical Gaps in {G}aussian Single-Index Models},
  author    = {Damian, Alex and Pillaud-Vivien, Loucas and Lee, Jason D. and Bruna, Joan},
  booktitle = {Conference on Learning Theory},
  year      = {2024},
  eprint    = {2403.05529},
  archivePrefix = {arXiv}
}""",
    "damian2025generative": """@misc{damian2025generative,
  title     = {The Generative Leap: Sharp Sample Complexity for Efficiently Learning {G}aussian Multi-Index Models},
  author    = {Damian, Alex and Lee, Jason D. and Bruna, Joan},
  year      = {2025},
  eprint    = {2506.05500},
  archivePrefix = {arXiv}
}""",
    "troiani2024fundamental": """@misc{troiani2024fundamental,
  title     = {Fundamental computational limits of weak learnability in high-dimensional multi-index models},
  author    = {Troiani, Emanuele and Dandi, Yatin and Defilippis, Leonardo and Zdeborov{\\'a}, Lenka and
               Loureiro, Bruno and Krzakala, Florent},
  year      = {2024},
  eprint    = {2405.15480},
  archivePrefix = {arXiv}
}""",
    "cornacchia2025low": """@inproceedings{cornacchia2025low,
  title     = {Low-dimensional Functions are Efficiently Learnable under Randomly Biased Distributions},
  author    = {Cornacchia, Elisabetta and Mikulincer, Dan and Mossel, Elchanan},
  booktitle = {Conference on Learning Theory},
  year      = {2025},
  eprint    = {2502.06443},
  archivePrefix = {arXiv}
}""",
    "glasgow2023sgd": """@misc{glasgow2023sgd,
  title     = {{SGD} Finds then Tunes Features in Two-Layer Neural Networks with near-Optimal Sample Complexity:
               A Case Study in the {XOR} problem},
  author    = {Glasgow, Margalit},
  year      = {2023},
  eprint    = {2309.15111},
  archivePrefix = {arXiv}
}""",
    "defilippis2024dimension": """@inproceedings{defilippis2024dimension,
  title     = {Dimension-free deterministic equivalents and scaling laws for random feature regression},
  author    = {Defilippis, Leonardo and Loureiro, Bruno and Misiakiewicz, Theodor},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2024},
  eprint    = {2405.15699},
  archivePrefix = {arXiv}
}""",
    "dandi2024random": """@misc{dandi2024random,
  title     = {A Random Matrix Theory Perspective on the Spectrum of Learned Features and Asymptotic Generalization Capabilities},
  author    = {Dandi, Yatin and Pesce, Luca and Cui, Hugo and Krzakala, Florent and Lu, Yue M. and
               Loureiro, Bruno},
  year      = {2024},
  eprint    = {2410.18938},
  archivePrefix = {arXiv}
}""",
    "moniri2024theory": """@inproceedings{moniri2024theory,
  title     = {A Theory of Non-Linear Feature Learning with One Gradient Step in Two-Layer Neural Networks},
  author    = {Moniri, Behrad and Lee, Donghwan and Hassani, Hamed and Dobriban, Edgar},
  booktitle = {International Conference on Machine Learning},
  year      = {2024},
  eprint    = {2310.07891},
  archivePrefix = {arXiv}
}""",
    "loureiro2021mixtures": """@inproceedings{loureiro2021mixtures,
  title     = {Learning {G}aussian Mixtures with Generalised Linear Models: Precise Asymptotics in High-dimensions},
  author    = {Loureiro, Bruno and Sicuro, Gabriele and Gerbelot, C{\\'e}dric and Pacco, Alessandro and
               Krzakala, Florent and Zdeborov{\\'a}, Lenka},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2021},
  eprint    = {2106.03791},
  archivePrefix = {arXiv}
}""",
    "gerace2020generalisation": """@inproceedings{gerace2020generalisation,
  title     = {Generalisation error in learning with random features and the hidden manifold model},
  author    = {Gerace, Federica and Loureiro, Bruno and Krzakala, Florent and M{\\'e}zard, Marc and
               Zdeborov{\\'a}, Lenka},
  booktitle = {International Conference on Machine Learning},
  year      = {2020},
  eprint    = {2002.09339},
  archivePrefix = {arXiv}
}""",
}


def bibtex(keys: Iterable[str]) -> str:
    """The entries of ``keys`` of :data:`BIBTEX`, a blank line between."""
    return "\n\n".join(BIBTEX[key] for key in keys)


def keys_of(sources: Iterable[str]) -> tuple[str, ...]:
    """The keys of sources that are told as text ("Dandi et al. 2024, arXiv:2305.18270"), each once, as they come."""
    by_eprint = {
        found[1]: key
        for key, entry in BIBTEX.items()
        if (found := re.search(r"eprint\s*=\s*\{([\d.]+)\}", entry))
    }
    said = [number for source in sources for number in re.findall(r"arXiv:([\d.]+\d)", source)]
    return tuple(dict.fromkeys(by_eprint[number] for number in said))
