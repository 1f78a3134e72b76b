"""Signal encoders: one network a modality and a cross-modal aggregator."""
