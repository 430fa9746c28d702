"""What Harbor's services have in common: the names by which they find each other, and values that all share."""

CORE = "core:8080"
REGISTRY = "registry:5000"
REGISTRYCTL = "registryctl:8080"
JOBSERVICE = "jobservice:8080"
PORTAL = "portal:8080"
TRIVY = "trivy-adapter:8080"
EXPORTER = "exporter:8080"
# Every service's own name inside Docker's network; an outbound HTTP proxy is never asked for them.
INTERNAL = (
    "127.0.0.1,localhost,.local,.internal,log,db,redis,nginx,core,portal,postgresql,jobservice,registry,registryctl,"
    "trivy-adapter,exporter"
)
LOCAL = "localhost:8080"  # a service as it sees itself
METRICS_PORT = 9090
METRICS_PATH = "/metrics"
LOG_LEVEL = "info"
JOB_WORKERS = 10
NO_PROXY = {"HTTP_PROXY": "", "HTTPS_PROXY": "", "NO_PROXY": INTERNAL}
