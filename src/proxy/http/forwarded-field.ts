import { isIP, isIPv4 } from 'node:net'

/** The part of a Forwarded field in which one proxy describes the request that it received (RFC 7239 section 4). */
export interface ForwardedElement {
  /** The node that sent the request to the proxy: an address, perhaps with a port, or a name. */
  for?: string | undefined
  /** The protocol of the request. */
  proto?: string | undefined
  /** The Host of the request. */
  host?: string | undefined
}

/**
 * Matches `name=value`. The value is a quoted string, or any text without separators, because some proxies do not quote
 * addresses with ports.
 */
const PAIR = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+))[ \t]*/y

/**
 * Returns the elements of a Forwarded field, the element of the nearest proxy last; undefined if the field is
 * malformed.
 */
export function parseForwarded(field: string): ForwardedElement[] | undefined {
  const elements: ForwardedElement[] = []
  let element: ForwardedElement = {}
  let filled = false
  let at = 0
  while (at < field.length) {
    if (field[at] === ' ' || field[at] === '\t') {
      at++
      continue
    }
    PAIR.lastIndex = at
    const [pair, name, quoted, bare] = PAIR.exec(field) ?? []
    if (pair !== undefined) {
      at += pair.length
      const key = (name as string).toLowerCase()
      if (key === 'for' || key === 'proto' || key === 'host') {
        element[key] = bare ?? (quoted as string).replaceAll(/\\(.)/g, '$1')
      }
      filled = true
    }
    const separator = field[at]
    if (separator !== undefined && separator !== ',' && separator !== ';') return undefined
    if (separator === ',' && filled) {
      elements.push(element)
      element = {}
      filled = false
    }
    at++
  }
  if (filled) elements.push(element)
  return elements
}

/**
 * Returns the IP address of a node of a Forwarded field, without brackets and port; undefined if the node is no IP
 * address.
 */
export function addressOf(node: string): string | undefined {
  if (isIP(node) > 0) return node
  const [, bracketed, dotted] = /^(?:\[([^\]]*)\]|([\d.]+))(?::[\w.-]+)?$/.exec(node) ?? []
  const address = bracketed ?? dotted ?? ''
  return isIP(address) > 0 ? address : undefined
}

/** Writes an element of a Forwarded field. @param node the node in the form that {@link formatNode} writes */
export function formatForwarded(node: string, { proto, host }: Omit<ForwardedElement, 'for'>): string {
  let text = `for=${node}`
  if (proto !== undefined) text += `;proto=${quoted(proto)}`
  // The colon before a port has to be quoted.
  if (host !== undefined) text += `;host="${escaped(host)}"`
  return text
}

/**
 * Writes a node of a Forwarded field: an IP address, or an obfuscated identifier (RFC 7239 section 6.3). Anything else
 * becomes `unknown`.
 */
export function formatNode(node: string | undefined): string {
  if (node === undefined) return 'unknown'
  if (isIPv4(node)) return node
  const address = addressOf(node)
  if (address === undefined) return /^_[\w.-]+$/.test(node) ? node : 'unknown'
  return quoted(address === node && address.includes(':') ? `[${address}]` : node)
}

function quoted(value: string): string {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value) ? value : `"${escaped(value)}"`
}

function escaped(value: string): string {
  return /["\\]/.test(value) ? value.replaceAll(/["\\]/g, '\\$&') : value
}
