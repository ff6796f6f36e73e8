import { FileSchema } from '../config/file/schema/file-schema.js'
import type { Shape } from '../config/file/schema/shape.js'
import { poolSettingNames } from '../config/settings.js'

/** Returns the text of `docs/reference/config-file.md`: every field of a gateway's file. */
export function configFilePage(): string {
  return `${[HEAD, ...sections('', FileSchema as unknown as Shape)].join('\n\n')}\n`
}

const HEAD = `# The file of a gateway

\`leastwise serve --config FILE\`, or the setting \`CONFIG_FILE\`, runs a gateway with several pools and routes from a
file in YAML or JSON. \`leastwise check --config FILE\` prints every mistake with line and column, \`leastwise diff\` what
the file would change, and \`leastwise schema\` a JSON Schema for editors. [An example](../../examples/gateway/README.md) runs as it is.

- Times are whole milliseconds, sizes bytes. Unknown fields are mistakes.
- \`\${NAME}\` in a text is a variable of the environment, and a mistake where it is not set; \`$\${\` is \`\${\` itself. In the
  place of a number, or of true and false, a text that is only a variable is read as one.
- Files are named relative to the folder of this file.
- Settings of a pool in the environment are the defaults of each pool. \`BACKENDS\` is for a gateway without a file.
- A file of users has lines \`name:hash\`, as \`htpasswd -B\` writes them. A file of keys has lines \`name:hash\`, where the
  hash is that of the key: \`printf %s "$KEY" | sha256sum\`. Lines that begin with \`#\` are comments.

This page is made from the schema in \`src/config/file/\` by \`npm run generate\`.`

const settingNames: ReadonlySet<string> = new Set(poolSettingNames)

/** A table for an object, and those of the objects in it. */
function sections(path: string, shape: Shape): string[] {
  const rows: string[] = []
  const below: string[] = []
  for (const [name, field] of Object.entries(shape.properties ?? {})) {
    const full = path === '' ? name : `${path}.${name}`
    if (path === 'pools.NAME' && settingNames.has(name) && name !== 'backends') continue
    rows.push(row(name, field, shape.required?.includes(name) ?? false))
    const inner = innerObject(full, field)
    if (inner) below.push(...sections(...inner))
  }
  const title = path === '' ? [] : [`## \`${path}\``, ...(shape.description ? [text(shape.description)] : [])]
  const table = ['| field | default | meaning |', '|---|---|---|', ...rows].join('\n')
  const more =
    path === 'pools.NAME'
      ? [
          'The other [settings of a pool](settings.md#settings-of-a-pool) are fields as well, in camelCase: `HEALTH_PATH` is `healthPath`.',
        ]
      : []
  return [...title, table, ...more, ...below]
}

/** The object with fields of its own that a field has, and the path of its table. */
function innerObject(path: string, field: Shape): [string, Shape] | undefined {
  const item = Object.values(field.patternProperties ?? {})[0]
  if (item?.properties) return [`${path}.NAME`, item]
  const list = field.items && [field.items, ...(field.items.anyOf ?? [])].find(({ properties }) => properties)
  if (list) return [`${path}[]`, list]
  const own = [field, ...(field.anyOf ?? [])].find(({ properties }) => properties)
  return own && [path, own]
}

function row(name: string, field: Shape, required: boolean): string {
  const fallback = field.default
  const isShown = fallback !== undefined && !(Array.isArray(fallback) && fallback.length === 0)
  const shown = required ? 'required' : isShown ? `\`${String(fallback)}\`` : ''
  return `| \`${name}\` | ${shown} | ${text(field.description ?? '')} |`
}

function text(description: string): string {
  return description.replaceAll('|', '\\|')
}
