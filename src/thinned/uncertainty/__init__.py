"""Monte-Carlo dropout: what the thinned networks of one model say together, and how far apart they are."""

from thinned.uncertainty._predict import Prediction as Prediction
from thinned.uncertainty._predict import predict as predict
from thinned.uncertainty._predict import thinned_outputs as thinned_outputs

__all__ = ["Prediction", "predict", "thinned_outputs"]
