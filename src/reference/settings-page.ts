import type { Group, Setting } from '../config/settings/setting.js'
import { groups, poolGroups, variable } from '../config/settings.js'
import { defaultText } from './text.js'

/** Returns the text of `docs/reference/settings.md`: every setting with its default, unit and meaning. */
export function settingsPage(): string {
  const gatewayGroups = groups.filter((group) => !poolGroups.includes(group))
  const parts = [HEAD, POOL, ...poolGroups.flatMap(section), GATEWAY, ...gatewayGroups.flatMap(section)]
  return `${parts.join('\n\n')}\n`
}

const HEAD = `# Settings

The stand-alone gateway reads settings from environment variables and from the file \`.env\` in the folder where it is
started. A variable of the environment takes precedence over the one in \`.env\`. \`.env.example\` lists all of them with their defaults.
[The ten settings to know](../gateway.md#the-ten-settings-to-know) are a place to begin.

Times are whole milliseconds. An empty variable counts as not set. A value that is not accepted stops the start with exit
code 1 and one line that names the variable, the value and what is accepted.

This page is made from the entries in \`src/config/settings/\` by \`npm run generate\`.`

const POOL = `## Settings of a pool

These are options of the plugin as well, in camelCase: \`MAX_CONNECTIONS\` is \`maxConnections\`. More options are in
[Plugin options](plugin.md).`

const GATEWAY = `## Settings of the gateway

These exist for the stand-alone gateway only.`

function section({ title, settings }: Group): string[] {
  const rows = Object.entries(settings).map(([name, setting]) => row(name, setting))
  return [
    `### ${title}`,
    ['| variable | default | unit | meaning |', '|---|---|---|---|', ...rows].join('\n'),
  ]
}

function row(name: string, { type, default: fallback, meaning }: Setting): string {
  const text = defaultText(fallback)
  const shown = text === '' ? 'empty' : `\`${text}\``
  // Links in the meaning of a setting start at the folder `docs`, but this page is in `docs/reference`.
  const linked = meaning.replaceAll('](', '](../')
  return `| \`${variable(name)}\` | ${shown} | ${type.unit ?? ''} | ${linked} |`
}
