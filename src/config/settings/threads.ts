import { integer, wordOr } from '../setting-types.js'
import { group, setting } from './setting.js'

/** The most threads that can share the counts of a pool. */
export const MAX_WORKERS = 256

export const threads = group('Threads', {
  workers: setting({
    type: wordOr(integer(1, MAX_WORKERS, 'threads'), 'auto'),
    default: 1,
    meaning:
      'Threads that carry traffic: a number, or `auto` for the processors that the process may use. More than 1 needs Node 22.12 or newer, and a system on which threads can share a port: Linux, FreeBSD, DragonFlyBSD, Solaris or AIX',
  }),
})
