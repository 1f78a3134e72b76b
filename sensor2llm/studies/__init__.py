"""Studies: grids of pretraining methods, stores, folds and seeds, run and told as tables."""
