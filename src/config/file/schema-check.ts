import Value from 'typebox/value'
import { lenient, nearest } from '../../text/nearest.js'
import type { Mistakes, Path } from './mistakes.js'
import type { Shape } from './schema/shape.js'

type Fields = Record<string, unknown>

// biome-ignore lint/suspicious/noTemplateCurlyInString: this is how the file names a variable.
const SECRET_IN_FILE =
  'is a secret, which has no place in the file: it takes ${NAME}, a variable of the environment'

/** Did-you-mean is left out where there are more names: each mistake would compare all of them. */
const MAX_NAMES_COMPARED = 500

/**
 * Checks a value against a schema and collects every mistake. A part that is not accepted is removed, so that the parts
 * beside it can be used. Text that is from the environment alone may stand for a number or for true and false.
 * @returns the value, or undefined where it is not accepted
 */
export function checkShape(shape: Shape, value: unknown, path: Path, mistakes: Mistakes): unknown {
  const own = shapeFor(shape, value)
  if (own?.type === 'object') return checkObject(own, value as Fields, path, mistakes)
  if (own?.type === 'array') return checkList(own, value as unknown[], path, mistakes)
  if (shape.secret && typeof value === 'string' && !mistakes.isInserted(path)) {
    mistakes.add(path, SECRET_IN_FILE)
    return undefined
  }
  if (isAccepted(shape, value)) return value
  const read = typeof value === 'string' && mistakes.isInserted(path) ? readText(value) : value
  if (read !== value && isAccepted(shape, read)) return read
  const accepts = shape.accepts ?? acceptedBy(shape)
  if (value === null) mistakes.add(path, `is empty: it takes ${accepts}`)
  else
    mistakes.refuse(
      path,
      value,
      `it takes ${accepts}${quotesAdvice(shape, value)}${wordAdvice(shape, value)}`,
    )
  return undefined
}

/** The alternative of a schema that is for values of this kind: objects, or lists. */
function shapeFor(shape: Shape, value: unknown): Shape | undefined {
  const kind = Array.isArray(value) ? 'array' : typeof value === 'object' && value !== null ? 'object' : ''
  if (kind === '') return undefined
  return [shape, ...(shape.anyOf ?? [])].find(({ type }) => type === kind)
}

function isAccepted(shape: Shape, value: unknown): boolean {
  return Value.Check(shape as never, value)
}

function checkObject(shape: Shape, value: Fields, path: Path, mistakes: Mistakes): Fields {
  const known = shape.properties ?? {}
  const [[pattern, item] = []] = Object.entries(shape.patternProperties ?? {})
  const accepts = pattern === undefined ? undefined : new RegExp(pattern)
  for (const [name, given] of Object.entries(value)) {
    const below = [...path, name]
    const field = Object.hasOwn(known, name) ? known[name] : accepts?.test(name) ? item : undefined
    if (accepts && field === undefined)
      mistakes.add(below, `is no name for this: it takes ${shape.names}`, 'name')
    else if (field === undefined)
      mistakes.add(below, `is not known${meant(name, Object.keys(known))}`, 'name')
    value[name] = field === undefined ? undefined : checkShape(field, given, below, mistakes)
    if (value[name] === undefined) delete value[name]
  }
  for (const name of shape.required ?? []) {
    if (value[name] !== undefined || mistakes.covers([...path, name])) continue
    mistakes.add(path, `has no ${name}${known[name]?.accepts ? `: it takes ${known[name].accepts}` : ''}`)
  }
  const least = shape.minProperties ?? 0
  if (Object.keys(value).length < least && !mistakes.covers(path)) mistakes.add(path, 'is empty')
  return value
}

function checkList(shape: Shape, value: unknown[], path: Path, mistakes: Mistakes): unknown {
  if (value.length < (shape.minItems ?? 0)) mistakes.add(path, 'is empty: it takes at least one')
  const { items } = shape
  // A list of any values is checked as a whole.
  if (items?.type === undefined && items?.anyOf === undefined && items?.enum === undefined)
    return isAccepted(shape, value) ? value : undefined
  return value.map((item, i) => checkShape(items, item, [...path, i], mistakes))
}

/** Reads the text of a variable as one of a setting is read. */
function readText(text: string): unknown {
  if (/^\d+$/.test(text)) return Number(text)
  return text === 'true' || text === 'false' ? text === 'true' : text
}

function acceptedBy({ type, anyOf }: Shape): string {
  if (type === 'object') return 'fields with names'
  if (type === 'array') return 'a list'
  if (type === 'boolean') return 'true or false'
  return anyOf ? anyOf.map((each) => each.accepts ?? acceptedBy(each)).join(', or ') : 'text'
}

/** Advice for a number or a truth value in the place of a text. */
function quotesAdvice(shape: Shape, value: unknown): string {
  const isPlain = typeof value === 'number' || typeof value === 'boolean'
  return isPlain && isAccepted(shape, String(value)) ? '; write it in quotation marks' : ''
}

function wordAdvice(shape: Shape, value: unknown): string {
  const words = [shape, ...(shape.anyOf ?? [])].flatMap((each) => each.enum ?? [])
  return typeof value === 'string' ? meant(value, words) : ''
}

/** Advice for a name that is nearly one of those that are known. */
export function meant(name: string, known: readonly string[]): string {
  const found = known.length > MAX_NAMES_COMPARED ? undefined : nearest(name, known, lenient)
  return found === undefined ? '' : `; did you mean "${found}"?`
}
