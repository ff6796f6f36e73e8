import { Type } from 'typebox'

/** The response header with an entity tag. */
export const etag = {
  ETag: {
    type: 'string',
    description:
      'Changes when the configuration does, and not with counts and health. With `If-Match` a change is made only if nobody was faster.',
  },
}

/** The request header of a call that is made only if nothing has changed. */
export const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      description:
        'The `ETag` of what is to be changed: of the list for a new backend, otherwise of the backend or the policy. Where that has another one by now the answer is 412. A list, or `*` for any.',
      examples: ['"8Vq0bX2nYw5oQ1dRk3uLzA"'],
    }),
  ),
})
