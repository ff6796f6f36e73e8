const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })

export function count(value: number): string {
  return whole.format(value)
}

/** Formats a number, with one decimal if it is below 100 and not 0. */
export function decimal(value: number): string {
  return value !== 0 && value < 100 ? tenth.format(value) : whole.format(value)
}

export function percent(part: number): string {
  const value = 100 * part
  if (value === 0) return '0 %'
  return value < 10 ? `${tenth.format(value)} %` : `${whole.format(value)} %`
}

/** Formats milliseconds. 0 is shown as a dash, because it means that the backend has not responded yet. */
export function milliseconds(value: number): string {
  return value === 0 ? '–' : decimal(value)
}

export function clockTime(at: Date): string {
  return clock.format(at)
}

/** Formats the time of an event, with the day if that is not today. */
export function eventTime(at: Date): string {
  const today = day.format(new Date())
  return day.format(at) === today ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`
}

/** Formats a duration, given in milliseconds, in the largest unit that is still precise enough. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}
