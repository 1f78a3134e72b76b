"""How a verb parses its words, shows its help and names what cannot be."""

from sensor2llm.command.options import PresetOption as PresetOption
from sensor2llm.command.parser import VerbParser as VerbParser
from sensor2llm.command.parser import parse as parse
from sensor2llm.command.parser import read_recipe as read_recipe
from sensor2llm.command.parser import recipe_parser as recipe_parser
from sensor2llm.command.parser import to_config as to_config
from sensor2llm.command.parser import verb_parser as verb_parser
