import type { Static, TSchema } from 'typebox'

/** Nothing where a schema describes exactly the values of a view; otherwise an object that says what differs. */
type Difference<S extends TSchema, View> = [Exclude<keyof View, keyof Static<S>>] extends [never]
  ? [Exclude<keyof Static<S>, keyof View>] extends [never]
    ? [Static<S>, View] extends [View, Static<S>]
      ? unknown
      : { 'a field has another type in the view than in the schema': View }
    : { 'the view lacks a field of the schema': Exclude<keyof Static<S>, keyof View> }
  : { 'the schema lacks a field of the view': Exclude<keyof View, keyof Static<S>> }

/**
 * Ties a schema to the type of what it describes: `schemaOf<BackendView>()(Type.Object({ … }))`. It does not compile
 * where a field is missing, superfluous, or of another type.
 */
export function schemaOf<View>() {
  return <S extends TSchema>(schema: S & Difference<S, View>): S => schema
}
