"""Where live signals come from: streams, lines, files; and what another source has to be."""
