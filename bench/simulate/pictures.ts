import { policyNames } from '../../src/balancer/selection/policies/index.js'
import { bars } from '../plot/bars.js'
import { lines } from '../plot/lines.js'
import { affinity, methods } from './scenes/affinity.js'
import { healthy } from './scenes/healthy.js'
import { pauses } from './scenes/pauses.js'
import { slowDown } from './scenes/slow-down.js'
import type { Simulated } from './simulate.js'

/** Pictures of what was simulated, by file name, as SVG. */
export function pictures(data: Simulated): Map<string, string> {
  return new Map([
    ['slow-down-latency.svg', slowDownLatency(data)],
    ['slow-down-share.svg', slowDownShare(data)],
    ['slow-down-shares.svg', slowDownShares(data)],
    ['pauses-hedging.svg', pausesHedging(data)],
    ['healthy-backends.svg', healthyBackends(data)],
    ['healthy-gateways.svg', healthyGateways(data)],
    ['affinity-fullest.svg', affinityFullest(data)],
    ['affinity-moved.svg', affinityMoved(data)],
  ])
}

const { rate, slowness, from, to, work, rounds } = slowDown
const slow = { from: from / 1000, to: to / 1000, name: `${slowness} times slower` }
const scene = `Three backends, ${rate} requests a second of ${work} ms of work; one backend is ${slowness} times slower for ${(to - from) / 1000} s.`

function slowDownLatency({ slowDown: { latency } }: Simulated): string {
  return lines({
    title: 'One backend of three turns slow: latency',
    subtitle: `${scene}\n99th percentile of the requests that came in each quarter of a second, of ${rounds} rounds, simulated.`,
    x: { name: 'seconds', min: 0, max: slowDown.duration / 1000 },
    y: { name: 'p99', log: true, min: 10, format: duration },
    series: latency.map(({ policy, points }) => ({ name: policy, points, style: styleOf(policy) })),
    area: slow,
  })
}

function slowDownShare({ slowDown: { share } }: Simulated): string {
  return lines({
    title: 'One backend of three turns slow: what it is still given',
    subtitle: `${scene}\nPart of the requests that came in each quarter of a second, of ${rounds} rounds, simulated.`,
    x: { name: 'seconds', min: 0, max: slowDown.duration / 1000 },
    y: { name: 'given to the slow backend', min: 0, format: (value) => `${value} %` },
    series: share.map(({ policy, points }) => ({ name: policy, points, style: styleOf(policy) })),
    area: slow,
  })
}

function slowDownShares({ slowDown: { rows } }: Simulated): string {
  return bars({
    title: 'One backend of three turns slow: who does its work',
    subtitle: `${scene}\nPart of the requests that each backend was given in that time, of ${rounds} rounds, simulated.`,
    groups: rows.map(({ policy }) => policy),
    y: { name: 'requests', min: 0, max: 100, format: (value) => `${Math.round(value)} %` },
    series: ['backend a', 'backend b', 'backend c, which is slow'].map((name, i) => ({
      name,
      values: rows.map(({ shares }) => shares[i] ?? 0),
    })),
    stacked: true,
  })
}

function pausesHedging({ pauses: rows }: Simulated): string {
  return bars({
    title: 'Pauses that go round: latency with and without hedging',
    subtitle: `Three backends, ${pauses.rate} requests a second of ${pauses.work} ms of work; each second another backend stops for ${pauses.pause} ms.\nA hedge is sent after the ${pauses.after} of recent latencies. 99th percentile, simulated.`,
    groups: policyNames,
    y: { name: 'p99 in milliseconds', min: 0, format: (value) => `${Math.round(value)}` },
    series: pauses.budgets.map((budget) => ({
      name: budget ? `at most ${budget} % more requests` : 'without',
      values: rows.filter((row) => row.budget === budget).map(({ p99 }) => p99),
    })),
  })
}

const pool = `Equal backends of ${healthy.workers} workers, exponential work of ${healthy.work} ms on average, ${100 * healthy.utilisation} % of it in use.`

function healthyBackends({ healthy: { rows, bound } }: Simulated): string {
  return lines({
    title: 'Healthy pools of any size: waiting, one gateway',
    subtitle: `${pool}\n99th percentile of the time before a worker is free, simulated; dotted, the bound: one line before all workers.`,
    x: { name: 'backends', log: true, min: healthy.backends[0] ?? 1, max: healthy.backends.at(-1) ?? 1 },
    y: { name: 'p99 of waiting', min: 0, format: (value) => `${value} ms` },
    series: [
      ...policyNames.map((policy) => ({
        name: policy,
        style: styleOf(policy),
        dots: true,
        points: rows
          .filter((row) => row.policy === policy && row.gateways === 1)
          .map(({ backends, waitP99 }): [number, number] => [backends, waitP99]),
      })),
      {
        name: 'one line',
        style: 5,
        points: bound.map(({ backends, waitP99 }): [number, number] => [backends, waitP99]),
      },
    ],
  })
}

function healthyGateways({ healthy: { rows } }: Simulated): string {
  const backends = 100
  return lines({
    title: `Many gateways before ${backends} backends: waiting`,
    subtitle: `${pool}\n99th percentile of the time before a worker is free, simulated. No gateway knows of the others' requests.`,
    x: { name: 'gateways', log: true, min: healthy.gateways[0] ?? 1, max: healthy.gateways.at(-1) ?? 1 },
    y: { name: 'p99 of waiting', min: 0, format: (value) => `${value} ms` },
    series: policyNames.map((policy) => ({
      name: policy,
      style: styleOf(policy),
      dots: true,
      points: rows
        .filter((row) => row.policy === policy && row.backends === backends)
        .map(({ gateways, waitP99 }): [number, number] => [gateways, waitP99]),
    })),
  })
}

const keyed = `${affinity.backends} backends of ${affinity.workers} workers, exponential work of ${affinity.work} ms on average, ${100 * affinity.utilisation} % of it in use; ${affinity.keys} keys.`

function affinityFullest({ affinity: { rows } }: Simulated): string {
  return bars({
    title: 'Requests with keys: the fullest backend',
    subtitle: `${keyed}\nMost requests in flight on one backend, simulated. The n-th of the Zipf keys has a part in proportion to 1/n.`,
    groups: methods,
    y: { name: 'requests', log: true, min: 10, format: (value) => `${Math.round(value)}` },
    series: (['uniform', 'Zipf'] as const).map((keys) => ({
      name: `${keys} keys`,
      values: rows.filter((row) => row.keys === keys).map(({ mostInFlight }) => mostInFlight),
    })),
  })
}

function affinityMoved({ affinity: { moved } }: Simulated): string {
  const shown = moved.filter(({ method }) => method === 'hash, modulo' || method === 'affinity, no bound')
  return bars({
    title: 'Keys that have another backend',
    subtitle: `${keyed}\nOne backend of them leaves, or another one joins.`,
    groups: ['hash, modulo', 'affinity'],
    y: { name: 'keys', min: 0, max: 100, format: (value) => `${Math.round(value)} %` },
    series: [
      { name: 'one leaves', values: shown.map(({ leave }) => leave) },
      { name: 'one joins', values: shown.map(({ join }) => join) },
    ],
  })
}

/** A policy looks the same in every picture. */
function styleOf(policy: string): number {
  return (policyNames as readonly string[]).indexOf(policy)
}

function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds} ms` : `${milliseconds / 1000} s`
}
