# The operator: `docker build -t beemflow-secrets:0.1.0 .`, or `make image` where there is no Docker.
# It holds what the operator needs and no more: no kubernetes client (Kopf would load it: 20 MiB), no pip cache, no tests.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
RUN python3 -m venv /opt/operator
COPY requirements/operator.txt requirements/build.txt /src/requirements/
RUN /opt/operator/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
      -r /src/requirements/operator.txt \
 && python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /src/requirements/build.txt
COPY pyproject.toml README.md LICENSE /src/
COPY operator /src/operator
RUN cd /src && /opt/build/bin/hatchling build -t wheel -d /tmp/wheel \
 && /opt/operator/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /tmp/wheel/*.whl \
 && /opt/operator/bin/python -m compileall -q /opt/operator/lib \
 && rm -rf /opt/operator/bin/pip* /opt/operator/lib/python*/site-packages/pip*
# All that is added to the base, so what the image takes above it. Who adds more than this allows is to say why.
RUN size=$(du -s --apparent-size --block-size=MB /opt/operator | cut -dM -f1) \
 && echo "image: $size MB above the base" \
 && if [ "$size" -gt 180 ]; then echo "image: $size MB above the base, and 180 are the most" >&2; exit 1; fi

FROM ${BASE}
COPY --from=build /opt/operator /opt/operator
# Kopf asks for the name of the user that runs it, and this one is in no passwd file. Nothing is written: the root file
# system may be read-only.
ENV USER=operator PYTHONDONTWRITEBYTECODE=1 PATH=/opt/operator/bin:$PATH
USER 65532:65532
ENTRYPOINT ["/opt/operator/bin/beemflow-secrets"]
CMD ["run"]
