# The server on a CPU: `docker build --tag sensor2llm .`; how to run it: docs/serving.md.
FROM python:3.11-slim AS build
# PyPI's torch brings CUDA, several gigabytes of it.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
# All that the lock names is checked against its hashes; what the server needs is then chosen of it.
COPY requirements.lock pyproject.toml ./
# The folder of wheels holds one version of each.
# hadolint ignore=DL3013
RUN pip download --no-deps --require-hashes --requirement requirements.lock --dest /wheels \
 && pip install --no-index --find-links /wheels hatchling editables \
 && python -c 'import tomllib; print(*[one for one in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"] if one.startswith("torch>")])' > torch.txt \
 && pip download --no-deps --index-url "$TORCH_INDEX" --requirement torch.txt --dest /wheels
COPY README.md LICENSE ./
COPY prompts prompts
COPY adapters adapters
COPY tokenization_study tokenization_study
COPY sensor2llm sensor2llm
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python -m venv /opt/sensor2llm \
 && /opt/sensor2llm/bin/pip install --no-index --find-links /wheels 'sensor2llm[serve]' \
 && /opt/sensor2llm/bin/pip check

FROM python:3.11-slim
COPY --from=build /opt/sensor2llm /opt/sensor2llm
RUN useradd --uid 10001 --create-home sensor2llm \
 && install --directory --owner sensor2llm /home/sensor2llm/.cache
USER 10001
WORKDIR /home/sensor2llm
ENV PATH=/opt/sensor2llm/bin:$PATH
EXPOSE 8000
HEALTHCHECK --start-period=60s --timeout=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["sensor2llm", "serve", "--host", "0.0.0.0", "--port", "8000", "--api-key-file", "/run/secrets/api_keys"]
CMD ["uci-har-bundled"]
