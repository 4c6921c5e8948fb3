"""Propagation models: published equations as pure kernels over arrays.

This package imports numpy and numba alone; it knows nothing of files, projects or maps.
"""
