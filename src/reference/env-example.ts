import type { Setting } from '../config/settings/setting.js'
import { groups, variable } from '../config/settings.js'
import { defaultText, plain, wrap } from './text.js'

/** Longest line in characters. `leastwise serve --help` shows these lines as well. */
const LINE_WIDTH = 80

/** Returns the text of `.env.example`: every variable with its default and its meaning. */
export function envExample(): string {
  const head = [
    'Every setting of the stand-alone gateway, with its default. Copy to .env and change what you need. Variables of the environment take precedence over those in .env.',
    'The unit of a number stands in brackets.',
  ]
  const parts = [
    ...head.flatMap(comment),
    ...groups.flatMap(({ title, settings }) => [
      '',
      `## ${title}`,
      ...Object.entries(settings).flatMap(([name, setting]) => ['', ...entry(name, setting)]),
    ]),
  ]
  return `${parts.join('\n')}\n`
}

function entry(name: string, { type, default: fallback, meaning }: Setting): string[] {
  const unit = type.unit ? ` [${type.unit}]` : ''
  return [...comment(plain(meaning) + unit), `${variable(name)}=${defaultText(fallback)}`]
}

function comment(text: string): string[] {
  return wrap(text, LINE_WIDTH - 2).map((line) => `# ${line}`)
}
