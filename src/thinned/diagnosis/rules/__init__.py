"""One rule a file; `thinned.diagnosis.rules()` lists them."""
