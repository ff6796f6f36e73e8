/** An event in words, with its severity. */
export interface EventText {
  text: string
  level: 'good' | 'warning' | 'bad' | 'plain'
}
