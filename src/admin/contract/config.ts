import { type Static, Type } from 'typebox'
import { Count, nullable } from './schemas.js'

/** The response of `GET /config`. */
export const ConfigDocument = Type.Object(
  {
    listen: Type.Array(Type.Record(Type.String(), Type.Unknown()), { description: 'Where traffic enters.' }),
    pools: Type.Record(Type.String(), Type.Unknown(), {
      description: 'The pools with their settings, by name.',
    }),
    routes: Type.Optional(
      Type.Array(Type.Unknown(), {
        description: 'The routes. Missing where every request goes to the only pool.',
      }),
    ),
  },
  {
    title: 'Config',
    description: 'The configuration in force, in the words of the file; secrets are left out.',
    additionalProperties: true,
    examples: [
      {
        listen: [{ host: '127.0.0.1', port: 8080 }],
        workers: 1,
        admin: { host: '127.0.0.1', port: 3001 },
        pools: { users: { backends: [{ url: 'http://10.0.0.1:8080' }], policy: 'least-connections' } },
        routes: [{ name: 'users', match: { path: '/users' }, pool: 'users' }],
      },
    ],
  },
)
export type ConfigDocument = Static<typeof ConfigDocument>

const ConfigChangeSchema = Type.Object(
  {
    kind: Type.Enum(['added', 'changed', 'removed'], { type: 'string', description: 'What happened to it.' }),
    what: Type.Enum(['pool', 'route', 'listener', 'setting'], {
      type: 'string',
      description: 'What was added, changed or removed. A `setting` is one of the gateway as a whole.',
    }),
    name: Type.String({
      description: 'Name of the pool, the route or the setting; `host:port` of a listener.',
    }),
  },
  { title: 'ConfigChange', description: 'A part of the configuration that is another one now.' },
)
/** A part of the configuration that a reload has changed. */
export type ConfigChange = Static<typeof ConfigChangeSchema>

/** The response of `POST /config/reload`. */
export const ReloadReport = Type.Object(
  {
    changes: Type.Array(ConfigChangeSchema, { description: 'What has changed; empty where nothing has.' }),
  },
  {
    title: 'ReloadReport',
    description: 'What a reload has changed.',
    examples: [{ changes: [{ kind: 'changed', what: 'pool', name: 'users' }] }],
  },
)
export type ReloadReport = Static<typeof ReloadReport>

export const mistakeExample = {
  file: 'gateway.yaml',
  line: 12,
  column: 7,
  path: 'routes[0].pool',
  message: 'there is no pool "user"; did you mean "users"?',
}

/** A mistake in the file, as in the response of `POST /config/reload`. */
export const ConfigMistake = Type.Object(
  {
    file: Type.String({ description: 'The file that has the mistake, as the gateway names it.' }),
    line: nullable<number>(
      Type.Integer({ minimum: 1, description: 'Where the mistake is; null for no place.' }),
    ),
    column: nullable<number>(
      Type.Integer({ minimum: 1, description: 'Where in the line; null for no place.' }),
    ),
    path: Type.String({ description: 'Where in the document, as `routes[0].pool`; empty for all of it.' }),
    message: Type.String({ description: 'What is wrong, and what is accepted.' }),
  },
  { title: 'ConfigMistake', description: 'A mistake in the file.' },
)
export type ConfigMistake = Static<typeof ConfigMistake>

/** What a reload did, as an event. */
export const ReloadOutcome = Type.Object(
  {
    changes: Type.Array(ConfigChangeSchema, { description: 'The first 20 changes.' }),
    changed: Count('How many changes there are.'),
    mistakes: Count('How many mistakes kept the file from being taken; 0 where it was.'),
  },
  { description: 'What a reload did.' },
)
export type ReloadOutcome = Static<typeof ReloadOutcome>
