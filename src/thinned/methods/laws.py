"""Every law by its name, as a registered operator is told it."""

from thinned.methods import alpha, gaussian_dropout, gaussian_noise, uniform_dropout
from thinned.methods.law import DRAW_KEEP, DRAW_NORMAL, DRAW_UNIFORM, DRAW_WIDE, THIN, WIDE, Law

_METHODS = (alpha.LAW, gaussian_dropout.LAW, gaussian_noise.LAW, uniform_dropout.LAW)

LAWS: dict[str, Law] = {
    law.name: law
    for method in (THIN, WIDE, DRAW_KEEP, DRAW_WIDE, DRAW_UNIFORM, DRAW_NORMAL, *_METHODS)
    for law in (method, method.gradient)
    if law is not None
}
