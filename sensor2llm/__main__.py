"""`python -m sensor2llm VERB …` is the program `sensor2llm VERB …`."""

import sys

from sensor2llm.cli.program import main

sys.exit(main())
