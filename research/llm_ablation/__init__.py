"""What the language model is worth: the ablation behind the results page."""
