import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './process.js'

/** The certificate of the proxies, for `localhost`. */
export const cert = join(root, 'test/fixtures/localhost.cert.pem')
const key = join(root, 'test/fixtures/localhost.key.pem')

/** Addresses that a configuration has in the place of those that it is written for. */
export interface Ports {
  http: number
  https: number
  gateway: number
  admin: number
}

export interface FrontProxy {
  program: string
  file: string
  /** Whether the configuration has HTTP/2. */
  http2: boolean
  /** The configuration as it can run here, made of the one that is documented. */
  adapt(configuration: string, ports: Ports, folder: string): string
  args(file: string, folder: string): string[]
}

/** Replaces a text that has to be there. */
function replaced(text: string, pairs: [from: string, to: string][]): string {
  for (const [from, to] of pairs) {
    assert.ok(text.includes(from), `there is no ${from}`)
    text = text.replaceAll(from, to)
  }
  return text
}

export const proxies: FrontProxy[] = [
  {
    program: 'nginx',
    file: 'nginx.conf',
    http2: false,
    adapt(configuration, { http, https, gateway }, folder) {
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      return `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit; events {}
http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
${replaced(configuration, [
  ['listen 443 ssl;', `listen 127.0.0.1:${https} ssl;`],
  ['listen 80;', `listen 127.0.0.1:${http};`],
  ['server_name shop.example;', 'server_name localhost;'],
  ['/etc/nginx/tls/shop.example.pem', cert],
  ['/etc/nginx/tls/shop.example.key', key],
  ['127.0.0.1:3000', `127.0.0.1:${gateway}`],
])}}`
    },
    args: (file, folder) => ['-p', folder, '-c', file, '-e', 'stderr'],
  },
  {
    program: 'haproxy',
    file: 'haproxy.cfg',
    http2: true,
    adapt(configuration, { http, https, gateway, admin }, folder) {
      const pem = join(folder, 'localhost.pem')
      writeFileSync(pem, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'))
      return replaced(configuration, [
        ['bind :80', `bind 127.0.0.1:${http}`],
        ['bind :443', `bind 127.0.0.1:${https}`],
        ['/etc/haproxy/tls/shop.example.pem', pem],
        ['check port 3001', `check port ${admin}`],
        ['127.0.0.1:3000', `127.0.0.1:${gateway}`],
      ])
    },
    args: (file) => ['-q', '-f', file],
  },
  {
    program: 'caddy',
    file: 'Caddyfile',
    http2: true,
    adapt: (configuration, { http, https, gateway }) => `{
	admin off
	auto_https disable_certs
	http_port ${http}
	https_port ${https}
	default_bind 127.0.0.1
	log {
		output discard
	}
}
${replaced(configuration, [
  ['shop.example {', `localhost {\n\ttls ${cert} ${key}`],
  ['127.0.0.1:3000', `127.0.0.1:${gateway}`],
])}`,
    args: (file) => ['run', '--config', file, '--adapter', 'caddyfile'],
  },
]

/** Where a program is installed, also where only root looks. */
export function find(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}
