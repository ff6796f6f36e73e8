/** Longest id of a gateway in characters. */
const MAX_LENGTH = 64
const RANDOM_CHARACTERS = 4

/**
 * Makes an id for a gateway that was given none: the name of its host, and a random part, as several gateways may run on
 * one host.
 * @param random returns a number from 0 to below 1
 */
export function defaultGatewayId(hostName: string, random: () => number): string {
  const name = hostName.replace(/[^A-Za-z0-9._~-]+/g, '-').slice(0, MAX_LENGTH - 1 - RANDOM_CHARACTERS)
  const part = Math.floor(random() * 36 ** RANDOM_CHARACTERS).toString(36)
  return `${name || 'gateway'}-${part.padStart(RANDOM_CHARACTERS, '0')}`
}
