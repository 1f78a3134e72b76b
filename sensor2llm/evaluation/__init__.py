"""How good an adapter or an encoder is: metrics, controls, probes, missing sensors."""
