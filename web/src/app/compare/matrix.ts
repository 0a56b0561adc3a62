/** The matrix of a session as the server gives it, and what is asked of it without the server. */

import type { components } from '../openapi'
import { nameOf, quoted } from '../question'
import type { Verdict } from '../stores/judging'
import { MOST, type Place } from './address'

type Schemas = components['schemas']
export type Compared = Schemas['Compared']
export type Cell = Schemas['CompareCell']
export type Axis = Schemas['CompareAxis']
export type Value = Schemas['CompareValue']
export type Lock = Schemas['CompareLock']
export type Details = Schemas['ImageDetails']

export const SEED = 'seed'

/** The cell at a place; undefined when the page has no such row, or the matrix no such column. */
export function cellAt(of: Compared, { row, column }: Place): Cell | undefined {
  const x = of.columns.findIndex(({ key }) => key === column)
  return of.rows.find(({ key }) => key === row)?.cells[x]
}

/** The image of a cell that is shown: the first whose file is there, else the first. */
export const shownImage = (cell: Cell | undefined): Cell['images'][number] | undefined => cell?.images.find(({ missing }) => !missing) ?? cell?.images[0]

/** Take a place in, or out; the oldest gives way when there are too many. */
export function toggled(side: readonly Place[], place: Place): Place[] {
  const rest = side.filter(({ row, column }) => row !== place.row || column !== place.column)
  return rest.length < side.length ? rest : [...rest, place].slice(-MOST)
}

/** The places of a row that are worth a look side by side: those with an image, the first of them. */
export function placesOf(of: Compared, row: string): Place[] {
  const cells = of.rows.find(({ key }) => key === row)?.cells ?? []
  return of.columns.filter((_, x) => shownImage(cells[x])).slice(0, MOST).map(({ key }) => ({ row, column: key }))
}

/**
 * The places as many rows further down; null when one of them would be off the page. All stay in their columns, so that the same
 * values are seen with another seed.
 */
export function shifted(of: Compared, side: readonly Place[], by: number): Place[] | null {
  const out: Place[] = []
  for (const { row, column } of side) {
    const y = of.rows.findIndex(({ key }) => key === row)
    const next = of.rows[y + by]
    if (y < 0 || !next) return null
    out.push({ row: next.key, column })
  }
  return out
}

/** The value that stands `by` places further in an axis, round its end; where it may be anything, the first or last. */
export function stepped(axis: Axis, key: string | null, by: number): string | null {
  const { values } = axis
  const at = values.findIndex((value) => value.key === key)
  if (!values.length) return key
  const next = at < 0 ? (by > 0 ? 0 : values.length - 1) : (at + by + values.length) % values.length
  return values[next]?.key ?? key
}

/** The matrix with another verdict about an image, and the counts of its column with it. */
export function judged(of: Compared, image: number, verdict: Verdict | null): Compared {
  let [before, column] = [null as Verdict | null, '']
  const rows = of.rows.map((row) => ({
    ...row,
    cells: row.cells.map((cell, x) => {
      const at = cell.images.find(({ id }) => id === image)
      if (!at) return cell
      before = at.verdict ?? null
      column = of.columns[x]?.key ?? ''
      return { ...cell, images: cell.images.map((one) => (one.id === image ? { ...one, verdict } : one)) }
    })
  }))
  const count = (name: 'ok' | 'partial' | 'ko', value: Value): number => value[name] + Number(verdict === name) - Number(before === name)
  const columns = of.columns.map((value) =>
    value.key === column ? { ...value, ok: count('ok', value), partial: count('partial', value), ko: count('ko', value) } : value
  )
  return { ...of, rows, columns }
}

/** What an image was made with, by name, in the order in which it is shown. */
function facts(image: Details): Record<string, string> {
  const plain = { seed: image.seed, model: image.model, sampler: image.sampler, scheduler: image.scheduler, steps: image.steps, cfg: image.cfg }
  const size = image.width && image.height ? `${image.width} × ${image.height}` : null
  const said = { ...Object.fromEntries(Object.entries(image.values).map(([name, { text }]) => [name, text])), ...plain, size }
  return Object.fromEntries(Object.entries(said).map(([name, value]) => [name, value === null ? '–' : String(value)]))
}

/** What differs between images: name -> the value in each; nothing of what is the same in all. */
export function differences(images: readonly (Details | undefined)[]): [string, (string | undefined)[]][] {
  const each = images.map((image) => image && facts(image))
  const names = new Set(each.flatMap((one) => Object.keys(one ?? {})))
  const rows = [...names].map((name): [string, (string | undefined)[]] => [name, each.map((one) => one && (one[name] ?? '–'))])
  return rows.filter(([, values]) => new Set(values.filter((value) => value !== undefined)).size > 1)
}

/** The query of images with these keys; axes that may be anything, and images without a value, are not asked for. */
export function queryOf(keys: Readonly<Record<string, string | null>>): string {
  const clauses = Object.entries(keys).flatMap(([name, key]) => (key ? [name === SEED ? `seed:${key}` : `@${nameOf(name)}:${quoted(key)}`] : []))
  return [...clauses, 'is:trash,missing,broken,landscape,portrait,square'].join(' ')
}
