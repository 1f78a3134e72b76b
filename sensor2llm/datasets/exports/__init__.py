"""Files that people's devices export, by the name of the device: one module a device."""
