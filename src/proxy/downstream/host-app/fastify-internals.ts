/** Symbols of properties that Fastify does not document, by their descriptions. */
const symbols = new Map<string, symbol>()

/** The symbol that has this description and is a property of an object; undefined where there is none. */
export function symbolOf(object: object, description: string): symbol | undefined {
  const known = symbols.get(description)
  if (known && known in object) return known
  const symbol = Object.getOwnPropertySymbols(object).find((key) => key.description === description)
  if (symbol) symbols.set(description, symbol)
  return symbol
}
