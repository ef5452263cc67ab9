# Image of the gateway, without a LiveKit server: LIVEKIT_URL, LIVEKIT_API_KEY and
# LIVEKIT_API_SECRET name the server to use.
#
#   docker build -t lite-gateway .
#   docker run -v lite:/data lite-gateway keys create website
#   docker run -v lite:/data -p 8080:8080 --env-file settings lite-gateway
#
# To use a GPU, add `--gpus all`. Torch contains CUDA, so the host only needs the NVIDIA
# driver and container toolkit. Without a GPU, the same image runs on the CPU.

FROM python:3.11-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
ENV VENV=/venv PYTHON=python3.11 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
# The libraries have gigabytes and change seldom, so they are a separate layer.
COPY Makefile requirements.lock requirements-native.lock ./
COPY tools/venv.sh tools/caches.py tools/pip_runner.py tools/zig.py tools/mediapipe_models.py tools/
RUN make deps compiler models
COPY . .
RUN make wheel \
    && /venv/bin/pip install --no-deps dist/*.whl \
    && /venv/bin/pip install --require-hashes -r requirements-image.lock

FROM python:3.11-slim-bookworm
# This user may write only to its home folder.
RUN useradd --uid 10001 --home-dir /data --create-home lite
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LITE_HOST=0.0.0.0 \
    LITE_PORT=8080 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /data
USER lite
VOLUME /data
EXPOSE 8080
# Liveness, not readiness: Swarm and others end a container that is unhealthy, and a full
# house, a drain or a LiveKit server that is away must end no session. /health fails only
# if the process must be started again. Load balancers ask /ready.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os; from urllib.request import urlopen; urlopen(f\"http://127.0.0.1:{os.environ['LITE_PORT']}/health\", timeout=2)"]
ENTRYPOINT ["lite-gateway"]
CMD ["serve"]
