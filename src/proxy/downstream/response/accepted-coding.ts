/** The content codings that the gateway can apply, the better one first. */
const CODINGS = ['br', 'gzip'] as const

export type Coding = (typeof CODINGS)[number]

/**
 * Chooses the content coding of a response, RFC 9110 section 12.5.3.
 * @param accepted the Accept-Encoding field
 * @returns undefined where the client takes neither, or prefers the body as it is
 */
export function acceptedCoding(accepted: string | undefined): Coding | undefined {
  if (accepted === undefined) return undefined
  const weights = weightsIn(accepted)
  const any = weights.get('*')
  let best: Coding | undefined
  // What is not named is acceptable as it is, but less welcome than anything that is.
  let most = weights.get('identity') ?? 0
  for (const coding of CODINGS) {
    const weight = weights.get(coding) ?? any ?? 0
    if (weight === 0 || weight < most || (weight === most && best !== undefined)) continue
    most = weight
    best = coding
  }
  return best
}

function weightsIn(accepted: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const member of accepted.toLowerCase().split(',')) {
    const [name = '', ...parameters] = member.split(';').map((part) => part.trim())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    const value = weight === undefined ? 1 : Number(weight.slice(2))
    // RFC 9110 section 8.4.1.3: an older name of gzip.
    const coding = name === 'x-gzip' ? 'gzip' : name
    if (coding !== '' && !weights.has(coding)) weights.set(coding, value >= 0 && value <= 1 ? value : 0)
  }
  return weights
}
