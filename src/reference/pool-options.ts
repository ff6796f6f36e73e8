import type { Setting } from '../config/settings/setting.js'
import { poolGroups } from '../config/settings.js'
import { defaultText, optionText, wrap } from './text.js'

/** Longest line in characters, which is that of the code formatter. */
const LINE_WIDTH = 110

/** Returns the text of `src/config/pool-options.ts`: the settings of a pool as options of the plugin, with comments. */
export function poolOptions(): string {
  const options = poolGroups.flatMap(({ settings }) => Object.entries(settings))
  return `// Over 200 lines: it has every setting of a pool. It is made from src/config/settings/ by npm run generate: change the
// settings there, and run it again.
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

/** Formats text as a documentation comment of a member, on one line if it fits. */
function docComment(text: string): string {
  const line = `  /** ${text} */`
  if (line.length <= LINE_WIDTH) return line
  const lines = wrap(text, LINE_WIDTH - '   * '.length)
  return ['  /**', ...lines.map((one) => `   * ${one}`), '   */'].join('\n')
}
