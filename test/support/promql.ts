import { parser } from '@prometheus-io/lezer-promql'

/** What a query asks for. */
export interface Query {
  /** Each metric, with what it wants of its labels. */
  selectors: { metric: string; matchers: { label: string; operator: string; value: string }[] }[]
  /** Labels that it groups and joins by. */
  labels: string[]
}

/** Reads PromQL with Prometheus' own grammar. @throws where it is none */
export function parseQuery(text: string): Query {
  const selectors: Query['selectors'] = []
  const labels: string[] = []
  const tree = parser.parse(text)
  tree.iterate({
    enter({ name, from, to, type, node }) {
      const own = text.slice(from, to)
      if (type.isError) throw new Error(`not PromQL at ${from}: ${text}`)
      if (name === 'VectorSelector') selectors.push({ metric: '', matchers: [] })
      if (name === 'Identifier') (selectors.at(-1) as Query['selectors'][number]).metric = own
      if (name === 'LabelName' && node.parent?.name === 'GroupingLabels') labels.push(own)
      if (name !== 'UnquotedLabelMatcher') return
      const [, label = '', operator = '', value = ''] = /^(\w+)(=~|!~|!=|=)"(.*)"$/.exec(own) ?? []
      selectors.at(-1)?.matchers.push({ label, operator, value })
    },
  })
  return { selectors, labels }
}
