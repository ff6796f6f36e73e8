/** Symbols that Fastify keeps things under, by their descriptions, once they were found on some object. */
const symbols = new Map<string, symbol>()

/** The symbol of that description that is a key of an object; undefined where there is none. */
export function symbolOf(object: object, description: string): symbol | undefined {
  const known = symbols.get(description)
  if (known && known in object) return known
  const symbol = Object.getOwnPropertySymbols(object).find((key) => key.description === description)
  if (symbol) symbols.set(description, symbol)
  return symbol
}
