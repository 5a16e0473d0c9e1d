# xlt on a CPU:
#   docker build -t xlt .
#   docker run --rm -it --user "$(id -u):$(id -g)" -v "$PWD:/work" -v xlt-cache:/cache xlt --help
FROM python:3.11-slim

# As `make env` does it: every package by its hash, but for PyTorch (requirements/README.md says why).
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/image.txt requirements/
RUN python -m pip install --no-deps --require-hashes --requirement requirements/image.txt
COPY constraints.txt ./
RUN python -m pip install --no-deps --constraint constraints.txt \
    --index-url https://download.pytorch.org/whl/cpu torch
COPY pyproject.toml setup.py README.md LICENSE NOTICE ./
COPY data_cards data_cards
COPY tasks tasks
COPY xlt xlt
RUN python -m pip install --no-deps --no-build-isolation . \
    && python -m pip check \
    && useradd --uid 1000 --create-home xlt \
    && mkdir --mode=1777 /cache /work

# Whatever the container's user is: with --user it is that of the files in /work.
ENV HOME=/cache XLT_CACHE=/cache/xlt HF_HOME=/cache/huggingface
VOLUME /cache
WORKDIR /work
USER 1000
ENTRYPOINT ["xlt"]
