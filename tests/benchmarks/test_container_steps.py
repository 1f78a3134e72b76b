"""A Dockerfile's instructions are read, and its places are put into a folder."""

import re

from benchmarks.robustness.container_steps import REPOSITORY, ContainerSteps, instructions

TEXT = """# one
FROM python AS build
ENV A=1 \\
  B=/opt/sensor2llm/bin:$PATH
WORKDIR /source
# between
COPY LICENSE .
COPY prompts prompts
RUN cp LICENSE /source/again \\
 && test "$A" = 1
FROM python
RUN useradd somebody
USER 10001
ENTRYPOINT ["sensor2llm", "--keys", "/run/secrets/api_keys"]
CMD ["uci"]
"""


def test_instructions_are_read_without_comments_and_broken_lines():
    steps = list(instructions(TEXT))
    assert [step for step, _ in steps].count("RUN") == 2
    assert steps[1] == ("ENV", "A=1   B=/opt/sensor2llm/bin:$PATH")


def test_steps_are_taken_in_a_folder(tmp_path):
    steps = ContainerSteps(tmp_path)
    for step, text in instructions(TEXT):
        steps.take(step, text)
    licence = (REPOSITORY / "LICENSE").read_bytes()
    assert (tmp_path / "source/again").read_bytes() == licence
    assert (tmp_path / "source/prompts").is_dir()
    assert steps.variables["B"].startswith(f"{tmp_path}/opt/sensor2llm/bin:{tmp_path}/base/bin:")
    assert steps.user == 10001
    assert steps.entry == ["sensor2llm", "--keys", f"{tmp_path}/run/secrets/api_keys", "uci"]


def test_no_place_of_the_dockerfile_is_outside_of_the_folder(tmp_path):
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    build, _, server = text.rpartition("FROM")
    steps = ContainerSteps(tmp_path)
    wanted = [rest for step, rest in instructions(build) if step in ("RUN", "WORKDIR")]
    wanted += [rest for step, rest in instructions(server) if step in ("ENTRYPOINT", "CMD")]
    places = {place for rest in wanted for place in re.findall(r"(?<![\w.:/])/\w[\w/]*", rest)}
    assert {"/wheels", "/source", "/run/secrets/api_keys"} <= places
    assert all(steps.inside(place) == f"{tmp_path}{place}" for place in places)
