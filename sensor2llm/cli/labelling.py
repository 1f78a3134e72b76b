"""What `classify` labels: recordings, or the numbers in a sentence."""

from argparse import Namespace

from sensor2llm.archive.archive import label_recordings
from sensor2llm.archive.labelling import Labelling
from sensor2llm.archive.ray import choose_engine
from sensor2llm.errors import ConfigError


def label(options: Namespace) -> None:
    """Label what the words of a command line name, and print what came out.

    Raises:
        ConfigError: there is neither a file nor a text.
        DataError: some recordings could not be read; the others are labelled.
    """
    if options.text is not None:
        from sensor2llm.serving.typed_text import answer_text  # files need none of it

        print(answer_text(options.text, options.adapter, options.llm, as_json=options.json))
        return
    if not options.file:
        raise ConfigError("missing adapter or file: sensor2llm classify ADAPTER walk.csv")
    fields = Labelling.__dataclass_fields__
    labelling = Labelling(**{name: getattr(options, name) for name in fields})
    of_ray = (options.workers, options.address, options.worker_cpus, options.worker_gpus)
    engine = choose_engine(options.engine, *of_ray)
    where = (options.file, options.out, labelling, engine)
    text, check = label_recordings(*where, resume=options.resume, as_json=options.json)
    print(text)
    check()
