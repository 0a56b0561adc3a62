/** The geometry of the charts: numbers only. */

const round = (number: number): number => Math.round(number * 100) / 100
const inside = (share: number): number => Math.min(1, Math.max(0, share))

export interface Whiskers {
  bar: number
  low: number
  high: number
}

/** A rate and its interval on a line of `width`; nothing judged is an empty bar. */
export function whiskers(rate: number | null, low: number, high: number, width: number): Whiskers {
  return { bar: round(inside(rate ?? 0) * width), low: round(inside(Math.min(low, high)) * width), high: round(inside(Math.max(low, high)) * width) }
}

export interface Bar {
  x: number
  y: number
  width: number
  height: number
}

/** Few columns do not fill the box. */
const WIDEST = 50

const stepOf = (count: number, width: number): number => Math.min(WIDEST, width / Math.max(1, count))

/** Columns over time in a box; what is there at all is a pixel high at least. */
export function columns(values: readonly number[], width: number, height: number, gap = 2): Bar[] {
  const most = Math.max(1, ...values)
  const step = stepOf(values.length, width)
  return values.map((value, n) => {
    const tall = value > 0 ? Math.max(1, (value / most) * height) : 0
    return { x: round(n * step), y: round(height - tall), width: round(Math.max(1, step - gap)), height: round(tall) }
  })
}

/** A line through the known values, from 0 below to 1 on top, as SVG's `d`; gaps where nothing is known. */
export function line(values: readonly (number | null)[], width: number, height: number): string {
  const step = stepOf(values.length, width)
  let pen = 'M'
  const parts: string[] = []
  values.forEach((value, n) => {
    if (value === null) return void (pen = 'M')
    parts.push(`${pen}${round((n + 0.5) * step)} ${round((1 - inside(value)) * height)}`)
    pen = 'L'
  })
  return parts.join(' ')
}

/** A value of a placeholder. */
export interface Head {
  placeholder: string
  key: string
  name: string
}

export interface Heat<T> {
  rows: Head[]
  columns: Head[]
  /** Cell of each row and column; undefined where there is none. `heat` is 0 to 1. */
  cells: ({ of: T; heat: number } | undefined)[][]
}

/** Values may read alike: their keys tell them apart. */
export const keyOf = ({ placeholder, key }: Head): string => JSON.stringify([placeholder, key])

/**
 * A map of pairs; the hottest is 1. Of the two placeholders of a pair, that which is in the most pairs names rows, so that all pairs of
 * the same two lie the same way; the values of a placeholder are beside each other.
 */
export function heat<T>(pairs: readonly T[], heads: (pair: T) => [Head, Head], worth: (pair: T) => number): Heat<T> {
  const often = new Map<string, number>()
  for (const pair of pairs) for (const { placeholder } of heads(pair)) often.set(placeholder, (often.get(placeholder) ?? 0) + 1)
  const ranked = [...often.keys()].sort((one, other) => (often.get(other) ?? 0) - (often.get(one) ?? 0) || one.localeCompare(other))
  const rank = ({ placeholder }: Head): number => ranked.indexOf(placeholder)
  const [down, across] = [new Map<string, Head>(), new Map<string, Head>()]
  const found = new Map<string, T>()
  for (const pair of pairs) {
    const [one, other] = heads(pair)
    const [row, column] = rank(other) < rank(one) ? [other, one] : [one, other]
    down.set(keyOf(row), row)
    across.set(keyOf(column), column)
    found.set(keyOf(row) + keyOf(column), pair)
  }
  const together = (named: Map<string, Head>): Head[] => [...named.values()].sort((one, other) => rank(one) - rank(other))
  const [rows, columns] = [together(down), together(across)]
  const most = Math.max(...pairs.map(worth), Number.MIN_VALUE)
  const cells = rows.map((row) =>
    columns.map((column) => {
      const of = found.get(keyOf(row) + keyOf(column))
      return of && { of, heat: inside(worth(of) / most) }
    })
  )
  return { rows, columns, cells }
}
