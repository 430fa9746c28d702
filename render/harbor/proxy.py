"""The nginx of a hub: TLS on the port of Harbor's URL, in front of core and portal.

Owns its nginx.conf. Beside upstream's locations it has ``/evenkeel/ready``, which load balancers ask: 503 while the
hub's file ``away`` is there, otherwise what core's ping says, if the registry is well too. Core begins a session in
Redis for whoever asks without a cookie, so a check keeps its cookies.

Differs from upstream in how it finds core and portal: anew every two seconds, and not once when it starts. A container
that was replaced may have another address, and nginx went on asking the old one.
"""

from render.files import File
from render.harbor import layout, log, names
from render.harbor.container import Container, Mount, Port, ask
from render.harbor.secrets import HarborSecrets
from render.harbor.site import Site

FOLDER = layout.of("proxy")
CONFIG = f"{FOLDER}/nginx.conf"
CERTIFICATE = f"{FOLDER}/cert/server.crt"
KEY = f"{FOLDER}/cert/server.key"
TLS_PORT = 8443
READY = "/evenkeel/ready"

# A cookie may only travel over TLS; that of the portal's pages is not for scripts either.
SECURE, SECURE_AND_HIDDEN = "/; Secure", "/; HttpOnly; Secure"
LONG = "900"  # seconds that a blob may take between two reads


def plain_files(site: Site) -> list[File]:
    """Its nginx.conf."""
    return [File(CONFIG, nginx_conf(site), owner=layout.HARBOR_USER)]


def secret_files(site: Site, secrets: HarborSecrets) -> list[File]:
    """The server's certificate, with its chain, and its key."""
    return [
        File(CERTIFICATE, secrets.server_certificate, owner=layout.HARBOR_USER),
        File(KEY, secrets.server_key, mode="0600", owner=layout.HARBOR_USER),
    ]


def container(site: Site) -> Container:
    """Needs no other service to start: it asks for them when it is asked."""
    metrics = (Port(names.METRICS_PORT, names.METRICS_PORT),) if site.harbor.exporter else ()
    return Container(
        service="proxy",
        image="harbor-proxy",
        aliases=("proxy", "nginx"),
        log=log.driver("proxy"),
        user=layout.HARBOR_USER,
        mounts=(Mount(FOLDER, "/etc/nginx"), Mount(layout.RUN, layout.RUN)),
        ports=(Port(site.harbor.port, TLS_PORT), *metrics),
        capabilities=("CHOWN", "SETGID", "SETUID", "NET_BIND_SERVICE"),
        health=ask("http://localhost:8080"),
        files=(CONFIG, CERTIFICATE, KEY),
    )


def nginx_conf(site: Site) -> str:
    """The whole of nginx.conf."""
    locations = [
        _location("/", "portal", cookie=SECURE_AND_HIDDEN),
        _location("/c/", "core", host="$host", cookie=SECURE),
        _location("/api/", "core", host="$host", cookie=SECURE),
        _location("/v2/", "core", timeout=LONG),
        _location("/service/", "core", cookie=SECURE),
    ]
    return NGINX_CONF.format(
        core=names.CORE,
        portal=names.PORTAL,
        registry=names.REGISTRY,
        tls_port=TLS_PORT,
        port=site.harbor.port,
        ready=READY,
        away=layout.AWAY,
        locations="\n".join(locations),
        metrics=_metrics() if site.harbor.exporter else "",
    )


def _metrics() -> str:
    return METRICS.format(port=names.METRICS_PORT, path=names.METRICS_PATH, exporter=names.EXPORTER)


def _location(path: str, service: str, host: str = "$http_host", cookie: str = "", timeout: str = "") -> str:
    more = [f'proxy_cookie_path / "{cookie}";'] if cookie else []
    more += [f"proxy_send_timeout {timeout};", f"proxy_read_timeout {timeout};"] if timeout else []
    return LOCATION.format(path=path, service=service, host=host, more="".join(f"      {line}\n" for line in more))


NGINX_CONF = """\
worker_processes auto;
pid /tmp/nginx.pid;

events {{
  worker_connections 3096;
  use epoll;
  multi_accept on;
}}

http {{
  client_body_temp_path /tmp/client_body_temp;
  proxy_temp_path /tmp/proxy_temp;
  fastcgi_temp_path /tmp/fastcgi_temp;
  uwsgi_temp_path /tmp/uwsgi_temp;
  scgi_temp_path /tmp/scgi_temp;
  tcp_nodelay on;
  include /etc/nginx/conf.d/*.upstream.conf;

  # this is necessary for us to be able to disable request buffering in all cases
  proxy_http_version 1.1;

  # Docker's own name server; its answers say that they are good for 10 minutes.
  resolver 127.0.0.11 valid=2s ipv6=off;
  resolver_timeout 2s;

  log_format timed_combined '$remote_addr - '
    '"$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" '
    '$request_time $upstream_response_time $pipe';

  access_log /dev/stdout timed_combined;

  map $http_x_forwarded_proto $x_forwarded_proto {{
    default $http_x_forwarded_proto;
    ""      $scheme;
  }}

  include /etc/nginx/conf.d/*.server.conf;

  server {{
    listen {tls_port} ssl;
    server_tokens off;
    ssl_certificate /etc/nginx/cert/server.crt;
    ssl_certificate_key /etc/nginx/cert/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers '!aNULL:kECDH+AESGCM:ECDH+AESGCM:RSA+AESGCM:kECDH+AES:ECDH+AES:RSA+AES:';
    ssl_prefer_server_ciphers on;
    ssl_session_cache shared:SSL:10m;

    # disable any limits to avoid HTTP 413 for large image uploads
    client_max_body_size 0;

    # required to avoid HTTP 411: see Issue #1486 (https://github.com/docker/docker/issues/1486)
    chunked_transfer_encoding on;

    add_header Strict-Transport-Security "max-age=31536000; includeSubdomains; preload";
    add_header X-Frame-Options DENY;
    add_header Content-Security-Policy "frame-ancestors 'none'";

    set $core {core};
    set $portal {portal};
    set $registry {registry};

    include /etc/nginx/conf.d/harbor.https.*.conf;

    location = {ready} {{
      access_log off;
      if (-f {away}) {{ return 503; }}
      auth_request {ready}/registry;
      proxy_connect_timeout 2s;
      proxy_read_timeout 5s;
      proxy_pass http://$core/api/v2.0/ping;
    }}

    location = {ready}/registry {{
      internal;
      access_log off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 5s;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_pass http://$registry/;
    }}

{locations}
    location /v1/ {{
      return 404;
    }}

    location /service/notifications {{
      return 404;
    }}
  }}

  server {{
    listen 8080;
    return 308 https://$host:{port}$request_uri;
  }}
{metrics}}}
"""

# `rewrite` makes nginx pass on the path as it understood it, which it does by itself where the address is no variable.
LOCATION = """\
    location {path} {{
      rewrite ^ $uri break;
      proxy_pass http://${service};
      proxy_set_header Host {host};
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $x_forwarded_proto;
      proxy_buffering off;
      proxy_request_buffering off;
{more}    }}
"""

METRICS = """
  server {{
    listen {port};
    set $service {exporter};
    if ($arg_comp = core) {{ set $service core:{port}; }}
    if ($arg_comp = jobservice) {{ set $service jobservice:{port}; }}
    if ($arg_comp = registry) {{ set $service registry:{port}; }}
    location = {path} {{
      proxy_pass http://$service;
    }}
  }}
"""
