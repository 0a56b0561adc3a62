/**
 * The text of a query, read just far enough to put a value into it or take one out. The server's parser
 * (`sdgen_core/catalog/query.py`) says what a text means; what is not understood here stays as it was typed.
 */

import { nameOf } from '../question'

/** Names that mean a field; every other name is a placeholder's, and `@` or quotes around one say that it is. */
export const FIELDS: ReadonlySet<string> = new Set(
  (
    'value text negative is verdict score contradicts class match promptscore aesthetic like tag session theme style template model sampler scheduler date seed number width height ' +
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
  'session',
  'match',
  'promptscore',
  'aesthetic',
  'contradicts'
] as const

/** One condition, and where it stands: `raw` values as they are typed, `values` as they are meant. */
export interface Clause {
  start: number
  end: number
  negate: boolean
  /** As it is typed; empty for words and phrases of the prompt. */
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
const FIELD = String.raw`@?(?:${WORD}+|${QUOTED})`
const TOKEN = new RegExp(
  String.raw`(${SPACE}*)(-?)(?:(${FIELD}):(?:(${WORD}+)(?=[=<>]))?(=(?=[^<>=]))?(${VALUE}(?:,${VALUE})*)|(${QUOTED}\*?)|([^\s\x1c-\x1f\x85"]+))`,
  'uy'
)
const ONE = new RegExp(String.raw`${QUOTED}\*?|[^,"]+`, 'gu')
const PLAIN = /^[^\s\x1c-\x1f\x85,"\\]+$/u
const HEADED = new RegExp(String.raw`^${WORD}+[=<>]`, 'u')
const BEFORE = new RegExp(`^(${FIELD}):`, 'u')
const NAMED = new Set(['verdict', 'score', 'contradicts'])
/** A placeholder before verdicts or a score: in quotes, or a word. */
const QUOTED_OF = new RegExp(`^(${QUOTED})(?=[=<>])(=(?=[^<>=]))?`, 'u')
const OF = new RegExp(`^(?:${WORD}+|${QUOTED})=`, 'u')

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
  const name = nameOf(placeholder)
  return name !== placeholder || FIELDS.has(name) || name === 'sort' ? `@${name}` : name
}

/** A field as it is meant, however it is typed: a field's name, or `@` and a placeholder's. */
export function meaningOf(field: string): string {
  const name = field.replace(/^@/, '')
  if (name.startsWith('"')) return `@${unquoted(name)}`
  return field.startsWith('@') || FIELDS.has(name) || name === 'sort' ? field : `@${field}`
}

/** The clauses of a text up to the first place that cannot be read, and that place; -1 when there is none. */
export function clauses(text: string): { clauses: Clause[]; unread: number } {
  const found: Clause[] = []
  const whole = text.trimEnd().length
  let at = 0
  while (at < whole) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (!match) return { clauses: found, unread: at }
    const [all, space = '', minus = '', field = '', plain = '', equals = '', said = '', phrase = '', word = ''] = match
    const quote = NAMED.has(field) && !plain ? QUOTED_OF.exec(said) : null
    const [head, sign, rest] = quote ? [quote[1] ?? '', quote[2] ?? '', said.slice(quote[0].length)] : [plain, equals, said]
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
      clause.name = own ? unquoted(head) : ''
      clause.head = own && head ? head + sign : ''
      clause.raw = own ? raw : [head + sign + (raw[0] ?? ''), ...raw.slice(1)]
      clause.values = raw.map(unquoted)
      if (!own) clause.values[0] = head + sign + (clause.values[0] ?? '')
    }
    found.push(clause)
  }
  return { clauses: found, unread: -1 }
}

function meant(clause: Clause, target: Target): boolean {
  if (!clause.field || meaningOf(clause.field) !== meaningOf(target.field) || clause.name !== (target.name ?? '')) return false
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
  const sign = target.name ? `${nameOf(target.name)}=` : ''
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
  const named = BEFORE.exec(token)
  if (!named) return { start, end: caret, field: '', text: token }
  const field = named[1] ?? ''
  start += named[0].length
  token = token.slice(named[0].length)
  const headed = NAMED.has(field) ? OF.exec(token) : null
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
  const put = now.field ? suggestion.replace(BEFORE, '') : suggestion
  return { text: text.slice(0, now.start) + put + text.slice(now.end), caret: now.start + put.length }
}

/** A condition that has no value yet, a comma after which one is missing, an open quotation: what nobody means yet who still types. */
const OPEN = new RegExp(String.raw`^-?(?:@?|${FIELD}:(?:=|[<>]=?)?|(?:verdict|score|contradicts):(?:${WORD}+|${QUOTED})[=<>]+)$`, 'u')

/** What of a text can be looked for while its end is still being typed. */
export function begun(text: string): string {
  let [start, inside] = [0, false]
  for (let at = 0; at < text.length; at++) {
    if (inside && text[at] === '\\') at++
    else if (text[at] === '"') inside = !inside
    else if (!inside && /\s/.test(text[at] ?? '')) start = at + 1
  }
  const last = text.slice(start)
  return (inside || OPEN.test(last) ? text.slice(0, start) : text.slice(0, start) + last.replace(/,+$/, '')).trim()
}

/** The text with the value that an error speaks of replaced by another one; null when it is none of its values. */
export function mended(text: string, message: string, by: string): string | null {
  for (const clause of clauses(text).clauses)
    for (const [at, value] of clause.values.entries())
      if (clause.field && (message.includes(`${clause.field}:${value} is`) || message.includes(`'${value}' is`)))
        return replaced(text, clause.start, clause.end, written(clause, clause.raw.map((raw, place) => (place === at ? (value.startsWith('-') ? '-' : '') + quoted(by) : raw))))
  return null
}

/** The column (from 1) that an error of the query names; 0 when it names none. */
export function columnOf(message: string): number {
  return Number(/\bcolumn (\d+)/.exec(message)?.[1] ?? 0)
}
