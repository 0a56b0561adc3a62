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

export interface Heat<T> {
  rows: string[]
  columns: string[]
  /** Cell of each row and column; undefined where there is none. `heat` is 0 to 1. */
  cells: ({ of: T; heat: number } | undefined)[][]
}

/** A map of pairs: the value that is in the most of them names rows, the others columns; the hottest is 1. */
export function heat<T>(pairs: readonly T[], names: (pair: T) => [string, string], worth: (pair: T) => number): Heat<T> {
  const often = new Map<string, number>()
  for (const pair of pairs) for (const name of names(pair)) often.set(name, (often.get(name) ?? 0) + 1)
  const found = new Map<string, Map<string, T>>()
  for (const pair of pairs) {
    const [one, other] = names(pair)
    const swapped = (often.get(other) ?? 0) > (often.get(one) ?? 0)
    const [row, column] = swapped ? [other, one] : [one, other]
    const line = found.get(row) ?? new Map<string, T>()
    found.set(row, line.set(column, pair))
  }
  const rows = [...found.keys()]
  const heads = [...new Set([...found.values()].flatMap((one) => [...one.keys()]))]
  const most = Math.max(...pairs.map(worth), Number.MIN_VALUE)
  const cells = rows.map((row) =>
    heads.map((column) => {
      const of = found.get(row)?.get(column)
      return of && { of, heat: inside(worth(of) / most) }
    })
  )
  return { rows, columns: heads, cells }
}

/** Bytes as people say them. */
export function bytes(count: number, language: string): string {
  const units = language === 'fr' ? ['o', 'Ko', 'Mo', 'Go', 'To'] : ['B', 'KB', 'MB', 'GB', 'TB']
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log(count) / Math.log(1000)))
  const shown = count / 1000 ** power
  return `${shown.toLocaleString(language, { maximumFractionDigits: shown < 10 && power ? 1 : 0 })} ${units[power] ?? ''}`
}
