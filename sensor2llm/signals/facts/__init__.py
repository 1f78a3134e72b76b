"""What tells one kind of fact each: movement, heart, lungs; `facts` puts them together."""
