"""How the bundled language model was made: tokenizer, packing, sensing text, probes."""
