import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { HeardCounts } from '../../../src/balancer/fleet/counts-exchange.js'
import { CountsChannel } from '../../../src/stores/redis/counts-channel.js'
import { MAX_BACKENDS, MAX_MESSAGE_LENGTH } from '../../../src/stores/redis/counts-message.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

type Counts = Record<string, number>

/** Gateways whose messages reach each other at once. */
function fleet() {
  const clock = new TestClock()
  const listeners = new Set<(message: string) => void>()
  const sent: string[] = []
  const living = new Set<string>()
  const publish = (message: string) => {
    for (const listener of listeners) listener(message)
  }
  const open = (instance: string) => {
    living.add(instance)
    const connection = Object.assign(new EventEmitter(), {
      isAway: false,
      key: (name: string) => name,
      now: () => clock.date().getTime(),
      publish(_channel: string, message: string) {
        sent.push(message)
        publish(message)
      },
      subscribe(_channel: string, listener: (message: string) => void) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    })
    const members = Object.assign(new EventEmitter(), {
      instance,
      isOther: (other: string) => other !== instance && living.has(other),
    })
    const channel = new CountsChannel(connection as never, members as never, clock)
    channel.start()
    const join = (name: string) => {
      const state = { inFlight: {} as Counts, quiet: {} as Counts }
      const heard: Record<string, Counts> = {}
      const quiet: Record<string, Counts> = {}
      let messages = 0
      const leave = channel.forPool(name).join({
        counts: () => ({
          inFlight: new Map(Object.entries(state.inFlight)),
          quiet: new Map(Object.entries(state.quiet)),
        }),
        heard({ gateway, urls, inFlight, quiet: pairs }: HeardCounts) {
          messages++
          const counts = inFlight
            .map((count, place) => [urls[place], count])
            .filter(([, count]) => count !== 0)
          heard[gateway] = Object.fromEntries(counts)
          quiet[gateway] = Object.fromEntries(pairs.map(([place, count]) => [urls[place], count]))
        },
        left: (gateway) => delete heard[gateway],
      })
      return {
        heard,
        quiet,
        leave,
        says: (inFlight: Counts, of: Counts = {}) => Object.assign(state, { inFlight, quiet: of }),
        get messages() {
          return messages
        },
      }
    }
    return { connection, members, channel, join }
  }
  return { clock, sent, living, publish, open }
}

/** A gateway `one` and a gateway `two` with a pool that has told its backends. */
function pair() {
  const all = fleet()
  const [one, two] = [all.open('one'), all.open('two')]
  const [speaker, hearer] = [one.join('p'), two.join('p')]
  const told = () => hearer.heard.one
  return { ...all, one, two, speaker, hearer, told }
}

test('each gateway hears what the others have in flight, by pool', () => {
  const { clock, open } = fleet()
  const gateways = ['one', 'two', 'three'].map(open)
  const pools = gateways.map(({ join }) => [join('p'), join('q')] as const)
  pools[0]?.[0].says({ a: 1, b: 2 })
  pools[1]?.[0].says({ b: 7 }, { b: 3 })
  pools[2]?.[1].says({ c: 4 })
  clock.pass(200)
  const [first, second] = pools as [(typeof pools)[0], (typeof pools)[0]]
  assert.deepEqual(first[0].heard, { two: { b: 7 }, three: {} })
  assert.deepEqual(first[0].quiet.two, { b: 3 })
  assert.deepEqual(first[1].heard, { two: {}, three: { c: 4 } })
  assert.deepEqual(second[0].heard, { one: { a: 1, b: 2 }, three: {} })
  assert.deepEqual(
    gateways.map(({ channel }) => channel.inFlight),
    [3, 7, 4],
  )
})

test('a message is sent when counts change, at most five times a second, for all pools; and each second', () => {
  const { clock, sent, open } = fleet()
  const { join } = open('one')
  const [p, q] = [join('p'), join('q')]
  clock.pass(1000)
  sent.length = 0
  for (let time = 0; time < 3000; time += 10) {
    p.says({ a: time })
    q.says({ b: time })
    clock.pass(10)
  }
  assert.equal(sent.length, 15)
  clock.pass(1000)
  sent.length = 0
  clock.pass(3000)
  assert.equal(sent.length, 3)
  assert.match(sent[0] as string, /"p".*"q"/)
})

test('counts fall to 0, and rise again', () => {
  const { clock, speaker, told } = pair()
  for (const counts of [{ a: 3, b: 1 }, { b: 1 }, {}, { c: 2, a: 1 }, { a: 1, b: 1, c: 1 }, {}]) {
    speaker.says(counts as Counts)
    clock.pass(200)
    assert.deepEqual(told(), counts)
  }
})

test('a URL is sent once, and again to who asks', () => {
  const { clock, sent, speaker, told, open } = pair()
  speaker.says({ 'http://a': 1 })
  clock.pass(200)
  for (let i = 0; i < 20; i++) {
    speaker.says({ 'http://a': i + 2, 'http://b': 1 })
    clock.pass(200)
  }
  assert.deepEqual(told(), { 'http://a': 21, 'http://b': 1 })
  const times = (text: string) => sent.filter((message) => message.includes(text)).length
  assert.deepEqual([times('http://a'), times('http://b')], [1, 1])
  const late = open('three').join('p')
  clock.pass(200)
  assert.deepEqual(late.heard.one, { 'http://a': 21, 'http://b': 1 })
  assert.deepEqual([times('http://a'), times('http://b')], [2, 2])
})

test('who missed a message asks for what it lacks, and has it within the second', () => {
  const { clock, one, speaker, told } = pair()
  speaker.says({ a: 1 })
  clock.pass(1000)
  const { publish } = one.connection
  one.connection.publish = () => {}
  speaker.says({ a: 1, b: 1 })
  clock.pass(200)
  one.connection.publish = publish
  speaker.says({ a: 1, b: 1, c: 5 })
  clock.pass(200)
  assert.deepEqual(told(), { a: 1 })
  clock.pass(1000)
  assert.deepEqual(told(), { a: 1, b: 1, c: 5 })
})

test('a gateway that was cut off tells everything when it is back', () => {
  const { clock, one, speaker, told, sent } = pair()
  speaker.says({ a: 1 })
  clock.pass(1000)
  const { publish } = one.connection
  one.connection.publish = () => {}
  speaker.says({ b: 1 })
  clock.pass(200)
  one.connection.publish = publish
  one.connection.isAway = true
  sent.length = 0
  speaker.says({ b: 2 })
  clock.pass(3000)
  assert.ok(!sent.some((message) => message.startsWith('1 one')))
  one.connection.isAway = false
  one.connection.emit('back')
  clock.pass(200)
  assert.deepEqual(told(), { b: 2 })
})

test('a gateway that could ask nobody before asks when it is known to the others', () => {
  const { clock, open, speaker } = pair()
  speaker.says({ a: 1 })
  clock.pass(1000)
  const late = open('three')
  late.connection.isAway = true
  const pool = late.join('p')
  clock.pass(1000)
  late.connection.isAway = false
  delete pool.heard.one
  late.members.emit('announced', {})
  clock.pass(200)
  assert.deepEqual(pool.heard.one, { a: 1 })
})

test('counts that were under way for too long are not taken, their table is', () => {
  const { clock, sent, one, speaker, hearer, told } = pair()
  const { publish } = one.connection
  const delayed: string[] = []
  one.connection.publish = (_channel, message) => void delayed.push(message)
  speaker.says({ a: 1 })
  clock.pass(200)
  clock.late(751)
  one.connection.publish = publish
  const { messages } = hearer
  publish('', delayed[0] as string)
  assert.equal(hearer.messages, messages)
  sent.length = 0
  speaker.says({ a: 2 })
  clock.pass(200)
  assert.deepEqual(told(), { a: 2 })
  assert.ok(!sent.some((message) => message.endsWith('ask')))
})

test('a gateway that is gone is told of to all pools, and is not heard without a lease', () => {
  const { clock, two, living, speaker, hearer, told } = pair()
  speaker.says({ a: 1 })
  clock.pass(200)
  assert.deepEqual(told(), { a: 1 })
  living.delete('one')
  two.members.emit('gone', 'one')
  assert.deepEqual(hearer.heard, {})
  clock.pass(2000)
  assert.deepEqual(hearer.heard, {})
  living.add('one')
  clock.pass(2000)
  assert.deepEqual(told(), { a: 1 })
})

test('the others hear of a pool that ends, and nothing more of a channel that is closed', () => {
  const { clock, one, speaker, hearer, told, sent } = pair()
  speaker.says({ a: 1 })
  clock.pass(200)
  speaker.leave()
  clock.pass(200)
  assert.deepEqual(told(), {})
  const again = one.join('p')
  again.says({ a: 2 })
  // Who leaves late does not end the pool that has the name now.
  speaker.leave()
  clock.pass(1200)
  assert.deepEqual(told(), { a: 2 })
  one.channel.close()
  sent.length = 0
  const { messages } = hearer
  clock.pass(3000)
  assert.ok(!sent.some((message) => message.startsWith('1 one')))
  assert.equal(hearer.messages, messages)
})

test('messages that come late or twice are not taken', () => {
  const { clock, sent, publish, speaker, told } = pair()
  speaker.says({ a: 1 })
  clock.pass(200)
  speaker.says({ a: 2 })
  clock.pass(200)
  const messages = sent.filter((message) => message.startsWith('1 one') && !message.endsWith('ask'))
  for (const message of messages.reverse()) publish(message)
  assert.deepEqual(told(), { a: 2 })
})

test('counts are brought into their range, and what is no message is passed over', () => {
  const { clock, publish, speaker, hearer, told } = pair()
  speaker.says({ a: 1 })
  clock.pass(200)
  const before = hearer.messages
  const refused = [
    '',
    'nonsense',
    '1 one',
    '1 one 900',
    '1 one 901 ',
    '1 one 902 NOW {',
    '1 one 903 NOW null',
    '1 one 904 NOW {"p":1}',
    '1 one 905 NOW [null,1,"p",[],{},["p"],["p",1],["p",1,[]],["p","1",[],[]],["p",1,{},[]],["p",1,[],{}],[1,1,[],[]]]',
    '1 one 906 NOW [["p",1,[],[],-1,["x"]],["p",1,[],[],0.5,["x"]],["p",1,[],[],0,[7]],["p",1.5,[],[]]]',
    '1 one 907 NOW [["unknown",1,[1],[],0,["x"]]]',
    `1 one 908 NOW [["p",1,[${'1,'.repeat(MAX_BACKENDS)}1],[]]]`,
    `1 one 909 NOW [["p",1,[],[],1,${JSON.stringify(Array(MAX_BACKENDS).fill('x'))}]]`,
    `1 one 910 NOW [["p",1,[],[],0,["${'x'.repeat(401)}"]]]`,
    `1 one 911 NOW [["p",1,[1],[]${' '.repeat(MAX_MESSAGE_LENGTH)}]]`,
    '2 one 912 NOW [["p",1,[1],[]]]',
    '1 two 913 NOW [["p",1,[1],[]]]',
    '1 stranger 914 NOW [["p",1,[1],[],0,["x"]]]',
    '1 one -1 NOW [["p",1,[1],[]]]',
    '1 one 99999999999999999999 NOW [["p",1,[1],[]]]',
    '1 one 915 NOW [["p",1,[1,2,3],[]]]',
  ]
  const now = String(clock.date().getTime())
  for (const message of refused) publish(message.replace('NOW', now))
  assert.equal(hearer.messages, before)
  assert.deepEqual(told(), { a: 1 })
  publish(
    `1 one 1000 ${now} [["p",77,[-1,2.9,1e99,null,"7",{},3],[[6,2],[1,9],[99,1],[0,1],"x",[],[-1,1]],0,["a","b","c","d","e","f","g"]]]`,
  )
  assert.deepEqual(told(), { b: 2, c: 1_000_000, g: 3 })
  assert.deepEqual(hearer.quiet.one, { g: 2 })
})

test('random garbage from a gateway with a lease does no harm', () => {
  const { clock, publish, hearer } = pair()
  const random = seeded(7)
  const pieces = [
    '1 one 1',
    '["p",1,',
    '[',
    ']',
    '0',
    ',',
    '"',
    '\\',
    '{',
    '}',
    '-',
    'e9',
    'null',
    ' ',
    '__proto__',
  ]
  for (let i = 0; i < 20_000; i++) {
    const length = Math.floor(random() * 12)
    const text = Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('')
    publish(random() < 0.5 ? text : `1 one ${i} ${clock.date().getTime()} [${text}]`)
  }
  for (const counts of Object.values(hearer.heard)) {
    for (const count of Object.values(counts)) assert.ok(Number.isSafeInteger(count) && count > 0)
  }
})

test('a table that is full of backends that are idle now is begun anew', () => {
  const { clock, speaker, told } = pair()
  for (let round = 0; round < 5; round++) {
    const counts = Object.fromEntries(
      Array.from({ length: 900 }, (_, i) => [`http://${round}-${i}:80`, i + 1]),
    )
    speaker.says(counts)
    clock.pass(200)
    assert.deepEqual(told(), counts)
  }
})

test('of more backends than a message may have nothing is told', () => {
  const { clock, sent, speaker, told } = pair()
  const busy = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`http://${i}:80`, i + 1]))
  speaker.says(busy(MAX_BACKENDS))
  clock.pass(200)
  assert.deepEqual(told(), busy(MAX_BACKENDS))
  speaker.says(busy(MAX_BACKENDS + 1), { 'http://0:80': 1 })
  clock.pass(1200)
  assert.deepEqual(told(), {})
  speaker.says(busy(7))
  clock.pass(200)
  assert.deepEqual(told(), busy(7))
  assert.ok(sent.every((message) => message.length < MAX_MESSAGE_LENGTH))
})

test('many large pools take several messages', () => {
  const { clock, sent, open } = fleet()
  const [one, two] = [open('one'), open('two')]
  const names = Array.from({ length: 30 }, (_, i) => `pool ${i}`)
  const counts = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [`http://backend-${i}.test:80`, i + 1]),
  )
  const hearers = names.map((name) => two.join(name))
  for (const name of names) one.join(name).says(counts)
  clock.pass(200)
  for (const { heard } of hearers) assert.deepEqual(heard.one, counts)
  for (const message of sent) assert.ok(message.length < 200_000)
})
