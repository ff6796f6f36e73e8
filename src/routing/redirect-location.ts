/** A URL of http or https without a path; it may have a query. */
const WITHOUT_PATH = /^https?:\/\/[^/?#\\]+(?=$|\?)/i

/** What no URL has as it is, and a backslash, which browsers read as a slash. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: a Location must not have them.
const UNSAFE = /[\x00-\x20"<>\\^`{|}\x7f-\uffff]/g

/**
 * The Location of a redirect. It never leads to another host than `to` names: the client's path only follows a whole
 * authority. What the route removes from paths stays, as the client asked for it.
 * @param to a URL of http or https, or a path. Where it has no path, that of the request is kept, and its query unless `to`
 *   has one; `/` is a path.
 * @param target path and query of the request, as they came
 */
export function redirectLocation(to: string, target: string): string {
  const [origin] = WITHOUT_PATH.exec(to) ?? []
  if (origin === undefined) return to.replace(UNSAFE, escaped)
  const path = target.startsWith('/') ? target : '/'
  const kept = to.length > origin.length ? (path.split('?', 1)[0] as string) + to.slice(origin.length) : path
  return origin + kept.replace(UNSAFE, escaped)
}

/** A character as its escape: Node gives a byte of a target as one character. */
function escaped(character: string): string {
  const code = character.charCodeAt(0)
  if (code > 0xff) return character
  return `%${code.toString(16).toUpperCase().padStart(2, '0')}`
}
