import type { Setting } from '../settings/setting.js'
import { poolGroups } from '../settings.js'
import { defaultText, optionText, wrap } from './text.js'

/** Letters of a line, as the formatter has them. */
const LINE_WIDTH = 110

/** `src/config/pool-options.ts`: the settings of a pool as options of the plugin, with their documentation. */
export function poolOptions(): string {
  const options = poolGroups.flatMap(({ settings }) => Object.entries(settings))
  return `// Made from the table of settings by npm run generate: change src/config/settings/ instead.
import type { OptionOf } from './settings.js'

/** Settings of a pool as options. Each is optional. Times are in milliseconds. */
export interface PoolOptions {
${options.map(([name, setting]) => member(name, setting)).join('\n')}
}
`
}

function member(name: string, { type, default: fallback, ...texts }: Setting): string {
  const text = defaultText(fallback)
  const unit = type.unit ? ` (${type.unit})` : ''
  const otherwise = text === '' ? 'nothing' : `\`${text}\``
  const lines = wrap(`${optionText(texts.meaningOfOption ?? texts.meaning)}${unit}.`, LINE_WIDTH - 5)
  const doc = ['/**', ...[...lines, `Default: ${otherwise}.`].map((line) => ` * ${line}`), ' */']
  return [...doc, `${name}?: OptionOf<'${name}'>`].map((line) => `  ${line}`).join('\n')
}
