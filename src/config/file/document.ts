// Over 200 lines: the tree of a YAML document, as values and as places.
import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type LineCounter,
  type Pair,
  type YAMLMap,
} from 'yaml'
import { type ConfigMistake, MAX_MISTAKES, type Path, type Places, pathText, shown } from './mistakes.js'
import { parseText, placeAt } from './syntax.js'

/** Parts that a document may have, where aliases count as often as they are used. */
const MAX_PARTS = 1_000_000
const MAX_DEPTH = 64
const INSERTED = /\$(\$?)\{([^}]*)\}?/g
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

export type Variables = Record<string, string | undefined>

/** The text of a file in YAML or JSON, as a value with the place of each part. */
export class FileDocument implements Places {
  /** The value, with what comes from the environment put in. Objects have no prototype. */
  readonly value: unknown
  /** The value as it is written. */
  readonly written: unknown
  readonly mistakes: ConfigMistake[] = []
  readonly #file: string
  readonly #lines: LineCounter
  readonly #variables: Variables
  readonly #root: unknown
  readonly #anchors = new Map<string, unknown>()
  /** What aliases stand for. */
  readonly #targets = new WeakMap<object, unknown>()
  /** The pairs of maps by their names. */
  readonly #pairs = new WeakMap<object, ReadonlyMap<string | undefined, Pair>>()
  #parts = 0

  /** @param file name of the file for mistakes */
  constructor(file: string, text: string, variables: Variables) {
    this.#file = file
    this.#variables = variables
    const { root, lines, fault } = parseText(text, /\.json$/i.test(file))
    this.#root = root
    this.#lines = lines
    if (fault) {
      this.mistakes.push({ file, line: fault.line, column: fault.column, path: '', message: fault.message })
      return
    }
    this.value = this.#valueOf(this.#root, [], true)
    this.#parts = 0
    this.written = text.includes('${') ? this.#valueOf(this.#root, [], false) : this.value
  }

  placeOf(path: Path, part: 'name' | 'value'): { line: number; column: number } {
    let node = this.#resolved(this.#root)
    let offset = offsetOf(node)
    for (const [depth, name] of path.entries()) {
      const isLast = depth === path.length - 1
      if (isMap(node)) {
        const pair = this.#pairOf(node, String(name))
        if (!pair) break
        const value = this.#resolved(pair.value)
        const isNamed = (isLast && part === 'name') || offsetOf(value) === undefined || isEmpty(value)
        offset = offsetOf(isNamed ? pair.key : value) ?? offset
        node = value
      } else if (isSeq(node)) {
        node = this.#resolved(node.items[name as number])
        offset = offsetOf(node) ?? offset
      } else break
    }
    return this.#at(offset ?? 0)
  }

  shownValue(path: Path, value: unknown): string {
    return this.isInserted(path) ? 'its value' : shown(value)
  }

  writtenText(path: Path): string | undefined {
    const node = this.#nodeAt(path)
    return isScalar(node) && typeof node.value === 'string' ? node.value : undefined
  }

  isInserted(path: Path): boolean {
    return this.#hasInserted(this.#nodeAt(path))
  }

  #nodeAt(path: Path): unknown {
    let node = this.#resolved(this.#root)
    for (const name of path) {
      if (isMap(node)) node = this.#resolved(this.#pairOf(node, String(name))?.value)
      else if (isSeq(node)) node = this.#resolved(node.items[name as number])
      else return undefined
    }
    return node
  }

  /** The first pair of a map that has a name. */
  #pairOf(map: YAMLMap, name: string): Pair | undefined {
    let pairs = this.#pairs.get(map)
    if (!pairs) {
      pairs = new Map([...map.items].reverse().map((pair) => [nameOf(pair.key), pair]))
      this.#pairs.set(map, pairs)
    }
    return pairs.get(name)
  }

  #at(offset: number) {
    return placeAt(this.#lines, offset)
  }

  #refuse(offset: number | undefined, path: Path, message: string): void {
    if (this.mistakes.length >= MAX_MISTAKES) return
    this.mistakes.push({ file: this.#file, ...this.#at(offset ?? 0), path: pathText(path), message })
  }

  #valueOf(given: unknown, path: Path, inserts: boolean): unknown {
    const node = this.#resolved(given)
    this.#parts++
    if (path.length > MAX_DEPTH || this.#parts > MAX_PARTS) {
      const why = path.length > MAX_DEPTH ? 'is nested too deeply' : `has more than ${MAX_PARTS} parts`
      if (!this.mistakes.some(({ message }) => message === why)) this.#refuse(offsetOf(given), path, why)
      return undefined
    }
    if (isAlias(node)) {
      this.#refuse(offsetOf(node), path, `there is no anchor ${shown(node.source)} before it`)
      return undefined
    }
    const value = this.#contentOf(node, path, inserts, offsetOf(given))
    // An anchor counts from here on, so that nothing can contain itself.
    if (isNode(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, node)
    return value
  }

  #contentOf(node: unknown, path: Path, inserts: boolean, offset: number | undefined): unknown {
    if (isMap(node)) return this.#objectOf(node, path, inserts)
    if (isSeq(node))
      return node.items.map((item, i) =>
        isPair(item) ? undefined : this.#valueOf(item, [...path, i], inserts),
      )
    if (!isScalar(node)) return null
    // Older versions of YAML have dates and bytes.
    if (typeof node.value === 'object' && node.value !== null) {
      if (inserts) this.#refuse(offset, path, 'is no text, number, true or false')
      return undefined
    }
    return inserts && typeof node.value === 'string' ? this.#inserted(node.value, offset, path) : node.value
  }

  #objectOf(node: { items: { key: unknown; value: unknown }[] }, path: Path, inserts: boolean): unknown {
    const object = Object.create(null) as Record<string, unknown>
    const firstAt = new Map<string, unknown>()
    for (const { key, value } of node.items) {
      const name = nameOf(key)
      if (name === undefined) {
        if (inserts) this.#refuse(offsetOf(key), path, 'a name has to be text')
        continue
      }
      const below = [...path, name]
      if (firstAt.has(name)) {
        const line = this.#at(offsetOf(firstAt.get(name)) ?? 0).line
        if (inserts) this.#refuse(offsetOf(key), below, `comes twice: line ${line} has it as well`)
        continue
      }
      firstAt.set(name, key)
      object[name] = this.#valueOf(value, below, inserts)
    }
    return object
  }

  /** Puts the variables of the environment into a text. What is put in is not looked at again. */
  #inserted(text: string, offset: number | undefined, path: Path): string {
    if (!text.includes('${')) return text
    return text.replace(INSERTED, (all: string, dollar: string, name: string) => {
      if (dollar !== '') return all.slice(1)
      if (!all.endsWith('}') || !VARIABLE_NAME.test(name)) {
        this.#refuse(offset, path, 'has a ${ without the name of a variable and }; write $${ for ${ itself')
        return ''
      }
      const value = Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined
      if (value === undefined || value === '') this.#refuse(offset, path, `the variable ${name} is not set`)
      return value ?? ''
    })
  }

  /** What an alias stands for; any other node itself. */
  #resolved(node: unknown): unknown {
    if (!isAlias(node)) return node
    const target = this.#targets.get(node) ?? this.#anchors.get(node.source)
    if (target === undefined) return node
    this.#targets.set(node, target)
    return target
  }

  /** Whether a value, or a part of it, comes from the environment. */
  #hasInserted(given: unknown): boolean {
    const node = this.#resolved(given)
    if (isScalar(node)) return typeof node.value === 'string' && node.value.includes('${')
    if (isMap(node)) return node.items.some(({ value }) => this.#hasInserted(value))
    return isSeq(node) && node.items.some((item) => this.#hasInserted(item))
  }
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

/** Whether there is nothing where a value could be. */
function isEmpty(node: unknown): boolean {
  return isScalar(node) && node.value === null && node.source === ''
}

function nameOf(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value))
}
