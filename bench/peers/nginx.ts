import type { PeerKind, PeerPlan } from './peer.js'

export const nginx: PeerKind = {
  name: 'nginx',
  binary: 'nginx',
  versionArguments: ['-v'],
  launch(binary, plan) {
    return {
      command: [
        binary,
        '-p',
        plan.folder,
        '-c',
        `${plan.folder}/nginx.conf`,
        '-e',
        `${plan.folder}/error.log`,
      ],
      files: { 'nginx.conf': configuration(plan) },
    }
  },
}

function configuration(plan: PeerPlan): string {
  const { profile, port, backends, retries, folder } = plan
  const resilient = profile === 'resilient'
  // Three failures put a backend aside for as long as leastwise ejects at first. With one, its default, a few
  // chance failures leave nobody, and then everything is 502. (Active checks are in its commercial edition.)
  const passive = resilient ? 'max_fails=3 fail_timeout=10s' : 'max_fails=0'
  const servers = backends.map(({ address, weight }) => `    server ${address} weight=${weight} ${passive};`)
  return `
# One process, which is the worker: there is nothing for a master to look after.
daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;

events {
  worker_connections 8192;
}

http {
  access_log off;
  server_tokens off;
  # Small answers leave at once; connections of clients live for as long as they like.
  tcp_nodelay on;
  keepalive_timeout 72s;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  # Requests stay in memory rather than go over the disk.
  client_body_buffer_size 128k;
  client_body_temp_path ${folder}/client_body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;

  upstream pool {
${resilient ? '    # What is known of a backend is in shared memory, as with several workers.\n    zone pool 64k;' : ''}
    least_conn;
${servers.join('\n')}
    # Idle connections for more requests at a time than any load here has, kept while the run lasts.
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_timeout 60s;
  }

  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://pool;
      # Without these two it opens a connection for each request.
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      # Times as leastwise's defaults: a shorter one would be knowledge of the service that nobody is given.
      proxy_connect_timeout 1s;
      proxy_read_timeout 30s;
      # Large answers stay in memory rather than go over the disk.
      proxy_buffers 16 16k;
      proxy_max_temp_file_size 0;
${retries ? again(backends.length) : '      proxy_next_upstream off;'}
    }
  }
}
`
}

/** Each backend is tried once; without `non_idempotent` a POST that was sent is not sent again. */
function again(backends: number): string {
  return `      proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504;
      proxy_next_upstream_tries ${backends};`
}
