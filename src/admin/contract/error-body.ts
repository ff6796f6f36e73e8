import { Type } from 'typebox'
import { ConfigMistake } from './config.js'

/** The body of every error response. */
export const ErrorBody = Type.Object(
  {
    statusCode: Type.Integer({
      minimum: 400,
      maximum: 599,
      description: 'The status of the answer, once more.',
    }),
    code: Type.String({
      pattern: '^LEASTWISE_[A-Z_]+$',
      description:
        'What went wrong, for programs: one of those that are named with the answer. Codes stay as they are from version to version.',
    }),
    error: Type.String({ description: 'The name of the status.' }),
    message: Type.String({ description: 'What went wrong, for people.' }),
    mistakes: Type.Optional(
      Type.Array(ConfigMistake, {
        description: 'Of `LEASTWISE_INVALID_CONFIG` alone: every mistake of the file.',
      }),
    ),
  },
  { title: 'Error', description: 'Every error has this shape.' },
)
