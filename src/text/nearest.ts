/**
 * The number of letters that are left out, added, changed, or swapped with their neighbour between two words: the
 * optimal string alignment distance (https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance).
 */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)]
  for (let i = 1; i <= a.length; i++) {
    const [row, above, before] = [[i], rows[i - 1] as number[], rows[i - 2]]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let least = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + Number(!same),
      )
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) least = Math.min(least, ((before as number[])[j - 2] as number) + 1)
      row.push(least)
    }
    rows.push(row)
  }
  return (rows[a.length] as number[])[b.length] as number
}

/** A name in lower case without dashes and underscores, because people vary these. */
function plainLetters(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9]/g, '').toUpperCase()
}

/**
 * Finds the known name that an unknown name probably means.
 * @param maxTypos returns how many letters may be wrong, for the length of the longer of the two names
 */
export function nearest(
  name: string,
  names: readonly string[],
  maxTypos: (length: number) => number,
): string | undefined {
  const wanted = plainLetters(name)
  let found: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of names) {
    const word = plainLetters(candidate)
    const length = Math.max(word.length, wanted.length)
    // The difference in length is a lower bound of the distance and costs less than comparing letters.
    if (Math.abs(word.length - wanted.length) > maxTypos(length)) continue
    const wrong = distance(wanted, word)
    if (wrong <= maxTypos(length) && wrong < least) {
      found = candidate
      least = wrong
    }
  }
  return found
}

/** Largest number of wrong letters in a name, for use where every unknown name is a mistake. */
export function lenient(length: number): number {
  if (length < 3) return 0
  return length < 6 ? 1 : length < 10 ? 2 : 3
}

/** Largest number of wrong letters in a name, for use where an unknown name may belong to another program. */
export function strict(length: number): number {
  return length < 6 ? 0 : length < 8 ? 1 : 2
}
