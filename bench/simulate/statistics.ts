/** The value that so many percent of the samples do not exceed. */
export function percentile(samples: Float64Array, percent: number): number {
  const sorted = samples.slice().sort()
  return percentileOf(sorted, percent)
}

export interface Percentiles {
  p50: number
  p99: number
  p999: number
}

export function percentiles(samples: Float64Array): Percentiles {
  const sorted = samples.slice().sort()
  return {
    p50: percentileOf(sorted, 50),
    p99: percentileOf(sorted, 99),
    p999: percentileOf(sorted, 99.9),
  }
}

export function mean(samples: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < samples.length; i++) sum += samples[i] as number
  return sum / samples.length
}

function percentileOf(sorted: Float64Array, percent: number): number {
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0
}
