/** A piece of HTML that is safe to insert into other HTML. */
export class Html {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

type Piece = Html | string | number | undefined | readonly Piece[]

/** Makes HTML of a template, and escapes every inserted value that is not `Html` itself. */
export function html(strings: TemplateStringsArray, ...pieces: Piece[]): Html {
  return new Html(strings.reduce((text, string, i) => text + rendered(pieces[i - 1]) + string))
}

function rendered(piece: Piece): string {
  if (piece === undefined) return ''
  if (typeof piece === 'object' && !(piece instanceof Html)) return piece.map(rendered).join('')
  if (piece instanceof Html) return piece.toString()
  return String(piece).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
