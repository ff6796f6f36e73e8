import { type Static, type TSchema, Type } from 'typebox'
import type { SettingType } from '../../setting-types.js'

/** What the check, the JSON Schema and the reference page read of a schema. */
export interface Shape {
  type?: string
  anyOf?: Shape[]
  enum?: string[]
  const?: unknown
  properties?: Record<string, Shape>
  patternProperties?: Record<string, Shape>
  required?: string[]
  items?: Shape
  minItems?: number
  minProperties?: number
  minimum?: number
  maximum?: number
  description?: string
  default?: unknown
  /** Completes the sentence "it takes …". */
  accepts?: string
  /** The same for the names of an object whose names are free. */
  names?: string
  /** True for a text that must not stand in the file itself, and that no message shows. */
  secret?: boolean
}

/** Words that a schema has beside those of JSON Schema. They are left out where it is printed. */
export const ownWords: readonly string[] = ['accepts', 'names', 'secret']

/** Adds words to a schema, and keeps what TypeBox stores in it under names that are not enumerable. */
function withWords<S extends TSchema>(schema: S, words: Partial<Shape>): S {
  return Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(schema),
      ...Object.getOwnPropertyDescriptors(words),
    },
  ) as S
}

/** A value of one of the types that settings have. */
export function leaf<S extends TSchema>(
  { schema, accepts }: SettingType<S>,
  description: string,
  fallback?: unknown,
): S {
  return withWords(schema, { accepts, description, ...(fallback !== undefined && { default: fallback }) })
}

/** A text that is a secret, and has to be from the environment. */
export function secretOf<S extends TSchema>(schema: S): S {
  return withWords(schema, { secret: true })
}

export function textField(accepts: string, description: string, isValid: (text: string) => boolean) {
  return withWords(
    Type.Refine(Type.String(), (value) => isValid(value as string)),
    { accepts, description },
  )
}

export function flag(description: string, fallback: boolean) {
  return withWords(Type.Boolean(), { accepts: 'true or false', description, default: fallback })
}

export function listOf<S extends TSchema>(item: S, description: string, fallback?: readonly unknown[]) {
  return withWords(Type.Array(item, fallback === undefined ? { minItems: 1 } : {}), {
    description,
    ...(fallback && { default: fallback }),
  })
}

/** One value, or a list of them. */
export function oneOrMore<S extends TSchema>(item: S, description: string, accepts: string) {
  return withWords(Type.Union([item, Type.Array(item, { minItems: 1 })]), { description, accepts })
}

export function oneOf<const S extends TSchema[]>(shapes: [...S], description: string, accepts: string) {
  return withWords(Type.Union(shapes), { description, accepts })
}

/** Fields by their names; no others are taken. */
export function fields<P extends Record<string, TSchema>>(properties: P, description: string) {
  return withWords(Type.Object(properties, { additionalProperties: false }), { description })
}

/** Values under names that the file chooses. @param names completes the sentence "it takes …" for the names */
export function byName<S extends TSchema>(
  item: S,
  pattern: RegExp,
  names: string,
  description: string,
  least = 0,
) {
  const schema = Type.Unsafe<Record<string, Static<S>>>({
    type: 'object',
    patternProperties: { [pattern.source]: item },
    additionalProperties: false,
    ...(least > 0 && { minProperties: least }),
  })
  return withWords(schema, { names, description })
}

export const optional = Type.Optional
