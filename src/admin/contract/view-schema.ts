import type { Static, TSchema } from 'typebox'

/**
 * This type is `unknown`, which every schema satisfies, if the schema describes exactly the fields of the view.
 * Otherwise it is an object type that no schema satisfies and that names the difference in the compiler's message.
 */
type Difference<S extends TSchema, View> = [Exclude<keyof View, keyof Static<S>>] extends [never]
  ? [Exclude<keyof Static<S>, keyof View>] extends [never]
    ? [Static<S>, View] extends [View, Static<S>]
      ? unknown
      : { 'a field has another type in the view than in the schema': View }
    : { 'the view lacks a field of the schema': Exclude<keyof Static<S>, keyof View> }
  : { 'the schema lacks a field of the view': Exclude<keyof View, keyof Static<S>> }

/**
 * Checks at compile time that a schema describes exactly the given type, as in
 * `schemaOf<BackendView>()(Type.Object({ … }))`. The call does not compile if a field of the schema is missing,
 * superfluous or of another type.
 */
export function schemaOf<View>() {
  return <S extends TSchema>(schema: S & Difference<S, View>): S => schema
}
