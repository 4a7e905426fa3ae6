# The viewer for several people; see docs/SERVER.md. `--build-arg TORCH=cu130` makes it for GPUs.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG TORCH=cpu
WORKDIR /source
RUN python -m venv /opt/nodescope
COPY . .
RUN /opt/nodescope/bin/pip install --no-cache-dir -c constraints.txt torch torchvision \
      --index-url "https://download.pytorch.org/whl/${TORCH}" \
 && /opt/nodescope/bin/pip install --no-cache-dir -c constraints.txt ".[server]"

FROM python:${PYTHON}-slim
RUN useradd --create-home --uid 1000 nodescope \
 && install --directory --owner nodescope --mode 0700 /var/lib/nodescope
COPY --from=build /opt/nodescope /opt/nodescope
ENV PATH=/opt/nodescope/bin:$PATH \
    NODESCOPE_HOME=/var/lib/nodescope \
    NODESCOPE_DATA_ROOTS=/data \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0
USER 1000
WORKDIR /home/nodescope
VOLUME /var/lib/nodescope
EXPOSE 8501
HEALTHCHECK --start-period=60s --timeout=5s CMD ["python", "-c", "import os, urllib.request as u; base = os.environ.get('STREAMLIT_SERVER_BASE_URL_PATH', '').strip('/'); u.urlopen('http://localhost:8501/' + (base and base + '/') + '_stcore/health', timeout=4)"]
CMD ["nodescope", "app", "--no-browser", "--port", "8501"]
