import { settings, variable } from '../config/settings.js'

/** Names of settings, by the names of their environment variables. */
const byVariable = new Map(Object.keys(settings).map((name) => [variable(name), name]))

/** Converts Markdown to plain text: removes backticks, and keeps only the text of links. */
export function plain(markdown: string): string {
  return withoutLinks(markdown).replaceAll('`', '')
}

/**
 * Converts the description of a setting to that of its option: removes links, and replaces the environment variables of
 * other settings by the names of their options.
 */
export function optionText(markdown: string): string {
  return withoutLinks(markdown).replaceAll(/`([A-Z][A-Z_]+)`/g, (all, name) => {
    const option = byVariable.get(name)
    return option === undefined ? all : `\`${option}\``
  })
}

function withoutLinks(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
}

/** Breaks text into lines at blanks. A word that is longer than `width` characters gets a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** Returns a default value as it is written in the environment; empty if nothing is set by default. */
export function defaultText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}
