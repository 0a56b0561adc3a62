/**
 * Chosen values, as the Template node's `choices` says them: `Hair[Red,Blue]; Coat[#0-2]`. The same language as the server's
 * `parse_choice_spec`, `parse_selector` and `choice_spec`; both sides are tested with the cases of `tests/data/choice_specs.json`.
 */

/** A value's text; `{part: text}` when it has several parts. */
export type ValueText = string | Record<string, string>

/** A placeholder as POST /sdgen/templates/choices describes it; `selector` is the template's own, empty when it has none. */
export interface Offered {
  name: string
  values: [key: string, text: ValueText][]
  selector: string
  weight: number
}

/** What a selector takes of a placeholder's values: their places, in its order. `unknown` is what it names in vain. */
export interface Taken {
  picked: number[]
  draw: number | null
  weight: number | null
  unknown: string[]
}

const CHOICE = /\s*([\p{L}\p{N}_]+)\[([^\]]{1,400000})\]\s*/uy
const WORD = /^(random|limit|keys?|index|indexes|indices|weight|range)\s*:\s*(.*)$/isu
const NUMBER = /^\d{1,18}$/

/** Name → selector, in the order of the text; `unread` are the pieces that are no choice. */
export function readChoices(text: string): { choices: Map<string, string>; unread: string[] } {
  const choices = new Map<string, string>()
  const unread: string[] = []
  let at = 0
  while (at < text.length) {
    if (' \t\r\n;|,'.includes(text.charAt(at))) at += 1
    else {
      CHOICE.lastIndex = at
      const found = CHOICE.exec(text)
      const [whole, name, selector] = found ?? []
      if (whole && name && selector && !choices.has(name)) {
        choices.set(name, selector)
        at += whole.length
      } else {
        const end = whole ? at + whole.length : text.indexOf(';', at)
        unread.push(text.slice(at, end < 0 ? undefined : end).trim())
        at = end < 0 ? text.length : end
      }
    }
  }
  return { choices, unread }
}

/** The text of choices; `readChoices`' inverse. */
export function writeChoices(choices: Iterable<[name: string, selector: string]>): string {
  return [...choices].map(([name, selector]) => `${name}[${selector}]`).join('; ')
}

/** What a selector means for these values. */
export function readSelector(text: string, values: Offered['values']): Taken {
  const taken: Taken = { picked: [], draw: null, weight: null, unknown: [] }
  let indexes: number[] | null = null
  let keys: string[] | null = null
  let limit: number | null = null
  for (let part of text.split(';').map((piece) => piece.trim())) {
    if (!part) continue
    const word = WORD.exec(part)
    if (word?.[1] !== undefined && word[2] !== undefined) {
      const [kind, rest] = [word[1].toLowerCase(), word[2].trim()]
      if (kind === 'random' || kind === 'limit') {
        if (NUMBER.test(rest)) taken.draw = Number(rest)
        else taken.unknown.push(part)
        continue
      }
      if (kind.startsWith('key')) {
        keys = listed(rest)
        continue
      }
      part = (kind === 'weight' ? '$' : '#') + rest
    }
    const body = part.slice(1).trim()
    if (part.startsWith('$')) {
      if (/^[+-]?\d{1,18}$/.test(body)) taken.weight = Math.max(0, Number(body))
    } else if (part.startsWith('#')) {
      const [first, last, ...more] = body.split('-').map((end) => end.trim())
      const places = body.split(',').map((place) => place.trim())
      if (first && last && NUMBER.test(first) && NUMBER.test(last) && !more.length && Number(first) <= Number(last)) {
        indexes = span(Number(first), Math.min(Number(last), values.length - 1))
        if (!indexes.length) taken.unknown.push(part)
      } else if (places.every((place) => NUMBER.test(place))) {
        taken.unknown = places.filter((place) => Number(place) >= values.length).map((place) => `#${place}`)
        indexes = places.map(Number).filter((place) => place < values.length)
      } else taken.unknown.push(part)
    } else if (NUMBER.test(part)) limit = Number(part)
    else keys = listed(part)
  }
  if (indexes) taken.picked = indexes
  else if (keys) {
    const places = placesOf(values)
    for (const key of keys) {
      const place = places.get(key)
      if (place === undefined) taken.unknown.push(key)
      else taken.picked.push(place)
    }
  } else {
    taken.picked = span(0, values.length - 1)
    taken.draw ??= limit
  }
  if (taken.draw === 0) taken.picked = []
  if (taken.draw === 0 || (taken.draw ?? 0) >= taken.picked.length) taken.draw = null
  return taken
}

/**
 * The selector that takes the values at these places (rising, each once), `draw` of them at random; empty when that is what no
 * selector means too. None at all is `0`: the placeholder is left out.
 */
export function writeSelector(values: Offered['values'], { picked, draw, weight }: Omit<Taken, 'unknown'>): string {
  const all = picked.length === values.length
  const parts: string[] = []
  if (!picked.length) parts.push('0')
  else if (!all) parts.push(named(values, picked))
  if (draw !== null && draw < picked.length) parts.push(all ? String(draw) : `limit:${draw}`)
  if (weight !== null) parts.push(`$${weight}`)
  return parts.join(';')
}

/** The values by their keys, or by their places where a key cannot be written in a selector. */
function named(values: Offered['values'], picked: number[]): string {
  const places = placesOf(values)
  const words: string[] = []
  for (const place of picked) {
    const word = wordFor(values, place, places)
    if (word === undefined) return numbered(picked)
    words.push(word)
  }
  return words.join(',')
}

function numbered(picked: number[]): string {
  const [first, last] = [picked[0] ?? 0, picked[picked.length - 1] ?? 0]
  return picked.length > 1 && last - first + 1 === picked.length ? `#${first}-${last}` : `#${picked.join(',')}`
}

/** How a selector names the value at `place`: by its key, by its text where the key is only a hash of it, or not at all. */
function wordFor(values: Offered['values'], place: number, places: Map<string, number>): string | undefined {
  const [key, text] = values[place] ?? ['', '']
  const words = isHash(key) && typeof text === 'string' ? [text, key] : [key]
  return words.find((word) => isWritable(word) && places.get(word) === place)
}

/** Whether a key is what the language gives a value that has none: eight hexadecimal digits of its text's hash. */
export function isHash(key: string): boolean {
  return /^[0-9a-f]{8}$/.test(key)
}

function isWritable(word: string): boolean {
  const edged = word !== word.trim() || /^[\x1c-\x1f\x85]|[\x1c-\x1f\x85]$/.test(word)
  const other = /^[#$]|^\p{Nd}+$/u.test(word) || WORD.test(word)
  return word !== '' && !edged && !other && !/[,;\]]/.test(word)
}

/** What a word in a selector means: a key first, else the first value with this text. */
function placesOf(values: Offered['values']): Map<string, number> {
  const places = new Map<string, number>()
  values.forEach(([, text], place) => {
    if (typeof text === 'string' && !places.has(text)) places.set(text, place)
  })
  values.forEach(([key], place) => places.set(key, place))
  return places
}

function listed(text: string): string[] {
  return text
    .split(',')
    .map((key) => key.trim())
    .filter(Boolean)
}

function span(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, step) => first + step)
}

/** One placeholder while its values are being chosen. */
export class Row {
  readonly name: string
  readonly values: Offered['values']
  picked: Set<number>
  draw: number | null
  /** What the text names that is not there (any more). */
  unknown: string[]
  private readonly own: Taken
  private weight: number | null
  private kept: string | undefined

  constructor(
    private readonly offered: Offered,
    given: string | undefined
  ) {
    this.name = offered.name
    this.values = offered.values
    this.own = readSelector(offered.selector, offered.values)
    this.kept = given
    const taken = given === undefined ? this.own : readSelector(given, offered.values)
    this.picked = new Set(taken.picked)
    this.draw = taken.draw
    this.weight = given === undefined ? null : taken.weight
    this.unknown = given === undefined ? [] : taken.unknown
  }

  /** Whether the values are other than the template says. */
  get changed(): boolean {
    return this.selector !== undefined
  }

  /** Choose, or take back, the values at `places`. */
  set(places: Iterable<number>, on: (place: number) => boolean): void {
    for (const place of places) {
      if (on(place)) this.picked.add(place)
      else this.picked.delete(place)
    }
    this.edited()
  }

  setDraw(draw: number | null): void {
    this.draw = draw
    this.edited()
  }

  /** Let the template decide. */
  reset(): void {
    this.picked = new Set(this.own.picked)
    this.draw = this.own.draw
    this.weight = null
    this.edited()
  }

  /** The selector to write; undefined when the template's own, or none, says the same. A row that is not touched keeps its text. */
  get selector(): string | undefined {
    if (this.kept !== undefined) return this.kept
    const { weight } = this
    const picked = [...this.picked].sort((a, b) => a - b)
    const draw = this.draw !== null && this.draw < picked.length ? this.draw : null
    const same = draw === this.own.draw && sameSet(this.picked, this.own.picked)
    if (same && weight === null) return undefined
    // Everything, where the template takes less: only the loop weight is said, as it is anyway.
    return writeSelector(this.values, { picked, draw, weight }) || `$${this.offered.weight}`
  }

  private edited(): void {
    this.kept = undefined
    this.unknown = []
  }
}

function sameSet(a: Set<number>, b: number[]): boolean {
  return a.size === new Set(b).size && b.every((place) => a.has(place))
}

/** All placeholders of a template while values are being chosen. */
export class Choosing {
  readonly rows: Row[]
  /** Choices for placeholders that the template does not have now; they stay until they are removed. */
  readonly strangers: Map<string, string>
  readonly unread: string[]

  constructor(offered: Offered[], text: string) {
    const { choices, unread } = readChoices(text)
    this.rows = offered.map((one) => new Row(one, choices.get(one.name)))
    const known = new Set(offered.map((one) => one.name))
    this.strangers = new Map([...choices].filter(([name]) => !known.has(name)))
    this.unread = unread
  }

  /** The text for the node. */
  get text(): string {
    const written = this.rows.flatMap((row): [string, string][] => (row.selector === undefined ? [] : [[row.name, row.selector]]))
    return writeChoices([...written, ...this.strangers])
  }
}
