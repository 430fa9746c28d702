"""Harbor's portal: nginx that serves the files of the user interface."""

from render.files import File
from render.harbor import layout, log
from render.harbor.container import Container, Mount, ask
from render.harbor.site import Site

CONFIG = f"{layout.of('portal')}/nginx.conf"


def plain_files(site: Site) -> list[File]:
    """Its nginx.conf."""
    return [File(CONFIG, NGINX_CONF, owner=layout.HARBOR_USER)]


def container(site: Site) -> Container:
    """Only the one file is mounted: the rest of /etc/nginx comes with the image."""
    return Container(
        service="portal",
        image="harbor-portal",
        aliases=("portal",),
        log=log.driver("portal"),
        user=layout.HARBOR_USER,
        mounts=(Mount(CONFIG, "/etc/nginx/nginx.conf"),),
        capabilities=("CHOWN", "SETGID", "SETUID", "NET_BIND_SERVICE"),
        health=ask("http://localhost:8080"),
        files=(CONFIG,),
    )


NGINX_CONF = """\
worker_processes auto;
pid /tmp/nginx.pid;

events {
    worker_connections  1024;
}

http {
    client_body_temp_path /tmp/client_body_temp;
    proxy_temp_path /tmp/proxy_temp;
    fastcgi_temp_path /tmp/fastcgi_temp;
    uwsgi_temp_path /tmp/uwsgi_temp;
    scgi_temp_path /tmp/scgi_temp;

    server {
        listen 8080;
        server_name  localhost;

        root   /usr/share/nginx/html;
        index  index.html index.htm;
        include /etc/nginx/mime.types;

        gzip on;
        gzip_min_length 1000;
        gzip_proxied expired no-cache no-store private auth;
        gzip_types text/plain text/css application/json application/javascript application/x-javascript text/xml \
application/xml application/xml+rss text/javascript;

        location /devcenter-api-2.0 {
            try_files $uri $uri/ /swagger-ui-index.html;
        }

        location / {
            try_files $uri $uri/ /index.html;
        }

        location = /index.html {
            add_header Cache-Control "no-store, no-cache, must-revalidate";
        }
    }
}
"""
