import type { Setting } from '../settings/setting.js'
import { poolGroups } from '../settings.js'
import { defaultText, optionText, wrap } from './text.js'

/** Line length in characters, the same as the formatter's. */
const LINE_WIDTH = 110

/** `src/config/pool-options.ts`: the settings of a pool as options of the plugin, with their documentation. */
export function poolOptions(): string {
  const options = poolGroups.flatMap(({ settings }) => Object.entries(settings))
  return `// Made from src/config/settings/ by npm run generate: change the settings there, and run it again.
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
  const meaning = `${optionText(texts.meaningOfOption ?? texts.meaning)}${unit}. Default: ${otherwise}.`
  return `${docComment(meaning)}\n  ${name}?: OptionOf<'${name}'>`
}

/** Formats the documentation of a member as a comment, on one line where it fits. */
function docComment(text: string): string {
  const line = `  /** ${text} */`
  if (line.length <= LINE_WIDTH) return line
  const lines = wrap(text, LINE_WIDTH - '   * '.length)
  return ['  /**', ...lines.map((one) => `   * ${one}`), '   */'].join('\n')
}
