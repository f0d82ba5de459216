"""The laboratory: questions about regularisers, asked of data with paired seeds, answered with intervals."""

from thinned.lab.configuration import Configuration as Configuration
from thinned.lab.study import Study as Study

__all__ = ["Configuration", "Study"]
