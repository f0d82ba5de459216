"""The data room: one name or path in, arrays in memory out, and nothing that was not verified."""

from thinned.lab.data.dataset import Data as Data
from thinned.lab.data.load import default_name as default_name
from thinned.lab.data.load import load as load

__all__ = ["Data", "default_name", "load"]
