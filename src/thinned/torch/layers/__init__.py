"""One regulariser a file, as layers of PyTorch; their public names are in `thinned.torch`."""
