/** What a step of the history was about: read out of what the server calls it, so that each language can say it. */

export interface Step {
  /** What was said: a mark, a verdict … */
  kind: 'mark' | 'rating' | 'failed' | 'note' | 'tag' | 'value' | 'favourite' | 'test' | 'complete' | 'name'
  of: 'image' | 'session'
  count: number
  /** The tag's, or the placeholder's. */
  name: string
  /** null: what was said is taken away. */
  value: string | null
}

const FORMS = [
  /^(?<kind>tag) (?<name>.+): (?<value>yes|cleared), (?<count>\d+) (?<of>image|session)s?$/,
  /^(?<kind>value) (?<name>.+): (?<value>[a-z-]+), (?<count>\d+) (?<of>image|session)s?$/,
  /^(?:machine: )?(?<kind>mark|rating|failed|favourite|test|complete): (?<value>[a-z0-9]+), (?<count>\d+) (?<of>image|session)s?(?: of class .+| flagged)?$/,
  /^(?<kind>note|name): (?<value>[^]*), (?<count>\d+) (?<of>image|session)s?$/
]

/** The step that a name says; null for names of another form, such as that of an import. */
export function stepOf(label: string): Step | null {
  for (const form of FORMS) {
    const found = form.exec(label)?.groups
    if (!found) continue
    const { kind, of, count, name = '', value = '' } = found
    return { kind: kind as Step['kind'], of: of as Step['of'], count: Number(count), name, value: value === 'cleared' ? null : value }
  }
  return null
}
