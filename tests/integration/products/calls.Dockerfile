# A gRPC server that names its pod: built as calls:test, with tests/integration/proxies as its context.
FROM python:3.11-slim
RUN pip install --no-cache-dir 'grpcio>=1.60'
COPY servers.py /app/servers.py
USER 65532:65532
ENTRYPOINT ["python", "/app/servers.py"]
