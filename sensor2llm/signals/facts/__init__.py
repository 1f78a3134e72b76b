"""One extractor a kind of fact: movement, heart, lungs; `facts` puts them together."""
