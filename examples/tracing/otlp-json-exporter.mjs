/** Sends spans to a collector: OTLP over HTTP, as JSON. `@opentelemetry/exporter-trace-otlp-http` can take its place. */
export class OtlpJsonExporter {
  #url
  #service
  #underWay = new Set()

  constructor(url, service) {
    this.#url = url
    this.#service = service
  }

  export(spans, done) {
    const sent = this.#send(spans).then(
      () => done({ code: 0 }),
      (error) => done({ code: 1, error }),
    )
    this.#underWay.add(sent)
    sent.finally(() => this.#underWay.delete(sent))
  }

  async forceFlush() {
    await Promise.all(this.#underWay)
  }

  async shutdown() {
    await this.forceFlush()
  }

  async #send(spans) {
    const body = JSON.stringify({
      resourceSpans: [
        {
          resource: { attributes: attributesOf({ 'service.name': this.#service }) },
          scopeSpans: [{ scope: { name: 'leastwise' }, spans: spans.map(spanOf) }],
        },
      ],
    })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(this.#url, { method: 'POST', headers, body })
    await response.arrayBuffer()
    if (!response.ok) throw new Error(`the collector answered ${response.status}`)
  }
}

function spanOf(span) {
  const { traceId, spanId, traceState } = span.spanContext()
  return {
    traceId,
    spanId,
    traceState: traceState?.serialize(),
    parentSpanId: span.parentSpanContext?.spanId,
    name: span.name,
    // OTLP counts the kinds from 1 on.
    kind: span.kind + 1,
    startTimeUnixNano: nanoseconds(span.startTime),
    endTimeUnixNano: nanoseconds(span.endTime),
    attributes: attributesOf(span.attributes),
    status: span.status,
  }
}

const nanoseconds = ([seconds, rest]) => String(BigInt(seconds) * 1_000_000_000n + BigInt(rest))

function attributesOf(attributes) {
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({ key, value: anyValue(value) }))
}

function anyValue(value) {
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: value } : { doubleValue: value }
  return { stringValue: String(value) }
}
