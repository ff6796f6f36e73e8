/** Constants of MurmurHash3 for 32 bits (https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp). */
const C1 = 0xcc9e2d51
const C2 = 0x1b873593

/** Seeds of the two halves of a hash. Gateways agree about the backend of a key as long as these stay the same. */
export const SEED = 0x2c1b3c6d
export const OTHER_SEED = 0x297a2d39

/** Returns a hash of 32 bits of a text, of which each UTF-16 code unit is one block of MurmurHash3. */
export function hashText(text: string, seed: number): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) {
    let block = Math.imul(text.charCodeAt(i), C1)
    block = Math.imul((block << 15) | (block >>> 17), C2)
    hash ^= block
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  return mix(hash ^ text.length)
}

/** MurmurHash3's last step, after which each bit of the input has changed each bit of the result with probability 1/2. */
export function mix(bits: number): number {
  let hash = bits ^ (bits >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/**
 * Returns the code of a backend, a whole number of 48 bits that follows from its id. A key that began on a backend may
 * carry its code; see `RequestTraits.home`.
 */
export function homeCodeOf(id: string): number {
  return (hashText(id, SEED) >>> 0) * 0x10000 + (hashText(id, OTHER_SEED) >>> 16)
}
