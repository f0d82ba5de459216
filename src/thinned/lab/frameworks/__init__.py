"""One seed, many frameworks: the same masks, and the same learning curve.

`thinned study frameworks` trains one network in every framework that is installed, each in a process of its own.
What runs in those processes imports NumPy and one framework, since MXNet lives among older packages.
"""

__all__: list[str] = []
