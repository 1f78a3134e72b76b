"""What people do with a sensor language model: classify, probe, converse, measure."""
