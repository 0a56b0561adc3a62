/**
 * The text of a query, read just far enough to put a value into it or take one out. The server's parser
 * (`sdgen_core/catalog/query.py`) says what a text means; what is not understood here stays as it was typed.
 */

/** Names that mean a field; every other name is a placeholder's, and `@` before one says that it is. */
export const FIELDS: ReadonlySet<string> = new Set(
  (
    'value text negative is verdict score like tag session theme style template model sampler scheduler date seed number width height ' +
    'steps cfg rating bytes'
  ).split(' ')
)

/** Keys that results can be sorted by; `random:7`, `value:Hair` and `like:4711` are others. */
export const SORTS = [
  'created',
  'number',
  'file',
  'seed',
  'rating',
  'mark',
  'judged',
  'bytes',
  'pixels',
  'steps',
  'cfg',
  'model',
  'sampler',
  'session'
] as const

/** One condition, and where it stands: `raw` values as they are typed, `values` as they are meant. */
export interface Clause {
  start: number
  end: number
  negate: boolean
  /** Empty for words and phrases of the prompt. */
  field: string
  /** Of a verdict or score: the placeholder's. */
  name: string
  /** What stands before the values. */
  head: string
  raw: string[]
  values: string[]
}

/** What a facet sets: values of one field; `family`: only clauses of nothing but these are the facet's own. */
export interface Target {
  field: string
  name?: string
  family?: readonly string[]
}

const QUOTED = String.raw`"(?:[^"\\]|\\[^])*"`
const WORD = String.raw`[\p{L}\p{N}_]`
const SPACE = String.raw`[\s\x1c-\x1f\x85]`
const VALUE = String.raw`(?:${QUOTED}\*?|[^\s\x1c-\x1f\x85,"])+`
const TOKEN = new RegExp(
  String.raw`(${SPACE}*)(-?)(?:(@?${WORD}+):(?:(${WORD}+)(?=[=<>]))?(=(?=[^<>=]))?(${VALUE}(?:,${VALUE})*)|(${QUOTED}\*?)|([^\s\x1c-\x1f\x85"]+))`,
  'uy'
)
const ONE = new RegExp(String.raw`${QUOTED}\*?|[^,"]+`, 'gu')
const PLAIN = /^[^\s\x1c-\x1f\x85,"\\]+$/u
const HEADED = new RegExp(String.raw`^${WORD}+[=<>]`, 'u')
const NAMED = new Set(['verdict', 'score'])

/** A value as a query has it. */
export function quoted(value: string): string {
  if (PLAIN.test(value) && !HEADED.test(value) && !value.startsWith('=')) return value
  const star = value.endsWith('*') ? '*' : ''
  return `"${value.slice(0, value.length - star.length).replace(/(["\\])/g, '\\$1')}"${star}`
}

function unquoted(raw: string): string {
  if (!raw.startsWith('"')) return raw
  const star = raw.endsWith('*') ? '*' : ''
  return raw.slice(1, raw.length - 1 - star.length).replace(/\\([^])/g, '$1') + star
}

/** The name of a placeholder as the field of a clause. */
export function fieldOf(placeholder: string): string {
  return FIELDS.has(placeholder) || placeholder === 'sort' ? `@${placeholder}` : placeholder
}

/** Whether a text can ask for a placeholder of this name. */
export const writable = (placeholder: string): boolean => new RegExp(`^${WORD}+$`, 'u').test(placeholder)

/** The clauses of a text up to the first place that cannot be read, and that place; -1 when there is none. */
export function clauses(text: string): { clauses: Clause[]; unread: number } {
  const found: Clause[] = []
  const whole = text.trimEnd().length
  let at = 0
  while (at < whole) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (!match) return { clauses: found, unread: at }
    const [all, space = '', minus = '', field = '', head = '', sign = '', rest = '', phrase = '', word = ''] = match
    const start = at + space.length
    at += all.length
    const clause: Clause = { start, end: at, negate: minus === '-', field: '', name: '', head: '', raw: [], values: [] }
    if (!field) {
      clause.raw = [phrase || word]
      clause.values = [phrase ? unquoted(phrase) : word]
    } else {
      const raw = rest.match(ONE) ?? []
      const own = NAMED.has(field)
      clause.field = field
      clause.name = own ? head : ''
      clause.head = own && head ? head + sign : ''
      clause.raw = own ? raw : [head + sign + (raw[0] ?? ''), ...raw.slice(1)]
      clause.values = raw.map(unquoted)
      if (!own) clause.values[0] = head + sign + (clause.values[0] ?? '')
    }
    found.push(clause)
  }
  return { clauses: found, unread: -1 }
}

const bare = (field: string): string => (field.startsWith('@') || FIELDS.has(field) ? field : `@${field}`)

function meant(clause: Clause, target: Target): boolean {
  if (!clause.field || bare(clause.field) !== bare(target.field) || clause.name !== (target.name ?? '')) return false
  return !target.family || clause.values.every((value) => target.family?.includes(value))
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Whether the query wants one of these values (names of one and the same thing), wants it not, or does not speak of it. */
export function asks(text: string, target: Target, ...names: string[]): 'yes' | 'no' | '' {
  for (const clause of clauses(text).clauses)
    if (meant(clause, target) && clause.values.some((value) => names.some((name) => same(value, name)))) return clause.negate ? 'no' : 'yes'
  return ''
}

function written(clause: Clause, raw: string[]): string {
  return `${clause.negate ? '-' : ''}${clause.field}:${clause.head}${raw.join(',')}`
}

/** `text` with what is between two places put in place of it; nothing takes the space around it away as well. */
function replaced(text: string, start: number, end: number, by: string): string {
  if (by) return text.slice(0, start) + by + text.slice(end)
  const [before, after] = [text.slice(0, start).trimEnd(), text.slice(end).trimStart()]
  return before && after ? `${before} ${after}` : before + after
}

/** The text without these values of the target, in whatever clause they are. */
export function without(text: string, target: Target, ...names: string[]): string {
  let out = text
  for (const clause of clauses(text).clauses.reverse()) {
    if (!meant(clause, target)) continue
    const kept = clause.raw.filter((_, at) => !names.some((name) => same(clause.values[at] ?? '', name)))
    if (kept.length < clause.raw.length) out = replaced(out, clause.start, clause.end, kept.length ? written(clause, kept) : '')
  }
  return out
}

/** The text without anything that is said of the target. */
export function cleared(text: string, target: Target): string {
  let out = text
  for (const clause of clauses(text).clauses.reverse()) if (meant(clause, target)) out = replaced(out, clause.start, clause.end, '')
  return out
}

/** The text with a value of the target: one more of its clause, or a clause of its own. */
export function including(text: string, target: Target, negate: boolean, value: string): string {
  const read = clauses(text)
  const there = read.clauses.find((clause) => clause.negate === negate && meant(clause, target))
  if (there) return replaced(text, there.start, there.end, written(there, [...there.raw, quoted(value)]))
  const sign = target.name ? `${target.name}=` : ''
  const clause = `${negate ? '-' : ''}${target.field}:${sign}${quoted(value)}`
  const end = read.unread < 0 ? text.length : read.unread
  const [before, after] = [text.slice(0, end).trimEnd(), text.slice(end).trimStart()]
  return [before, clause, after].filter(Boolean).join(' ')
}

/**
 * What a click on a value makes of the text: it is asked for, or not any more; with `negate` it is excluded, or not any more. The first
 * of `names` is written, all of them are known.
 */
export function toggled(text: string, target: Target, negate: boolean, ...names: [string, ...string[]]): string {
  const now = asks(text, target, ...names)
  const off = without(text, target, ...names)
  return now === (negate ? 'no' : 'yes') ? off : including(off, target, negate, names[0])
}

/** The names by which the query knows a placeholder's value, the one to write first: its text where that is what it is known by. */
export function valueNames(key: string, text: string): [string, ...string[]] {
  const hashed = /^[0-9a-f]{8}$/.test(key)
  return hashed && text.length <= 60 && !/^[[{]/.test(text) && !text.endsWith('*') ? [text, key] : [key, text]
}

/** What is being typed at `caret`: from where to where, for which field; `field` is empty for a name or a word. */
export interface Typing {
  start: number
  end: number
  field: string
  text: string
}

export function typing(text: string, caret: number): Typing {
  let [start, inside] = [0, false]
  for (let at = 0; at < caret; at++) {
    const char = text[at] ?? ''
    if (inside && char === '\\') at++
    else if (char === '"') inside = !inside
    else if (!inside && /\s/.test(char)) start = at + 1
  }
  let token = text.slice(start, caret)
  if (token.startsWith('-')) {
    token = token.slice(1)
    start++
  }
  const named = new RegExp(`^(@?${WORD}+):`, 'u').exec(token)
  if (!named) return { start, end: caret, field: '', text: token }
  const field = named[1] ?? ''
  start += named[0].length
  token = token.slice(named[0].length)
  const headed = NAMED.has(field) ? new RegExp(`^${WORD}+=`, 'u').exec(token) : null
  if (headed) {
    start += headed[0].length
    token = token.slice(headed[0].length)
  }
  let [from, quote] = [0, false]
  for (let at = 0; at < token.length; at++) {
    if (quote && token[at] === '\\') at++
    else if (token[at] === '"') quote = !quote
    else if (!quote && token[at] === ',') from = at + 1
  }
  return { start: start + from, end: caret, field, text: token.slice(from) }
}

/** The text and the caret after a suggestion (`Hair:Red`, or `Hair:`) was taken for what is being typed. */
export function completed(text: string, now: Typing, suggestion: string): { text: string; caret: number } {
  const put = now.field ? suggestion.slice(suggestion.indexOf(':') + 1) : suggestion
  return { text: text.slice(0, now.start) + put + text.slice(now.end), caret: now.start + put.length }
}

/** The column (from 1) that an error of the query names; 0 when it names none. */
export function columnOf(message: string): number {
  return Number(/\bcolumn (\d+)/.exec(message)?.[1] ?? 0)
}
