"""One rule a file; `thinned.diagnosis.all_rules()` lists them."""
