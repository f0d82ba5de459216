"""The same bits, fast: kernels that execute a plan. Front ends enter through `kernels.execute`.

Nothing is imported here, so that a front end on another device never pays for Numba.
"""
