/** How a grid of equal cells is laid out: numbers only, the same for ten images and half a million. */

export interface Layout {
  columns: number
  /** Of a cell with its gap, in pixels. */
  width: number
  height: number
  rows: number
}

export const GAP = 6
/** Rows that exist above and below those in view. */
export const BEYOND = 1
/** Cells that exist at a time, at most. */
export const MOST_CELLS = 200

export interface Box {
  width: number
  height: number
}

/**
 * Cells of about `wanted` pixels on their longer side in a box; `aspect` is width over height of the images, so that they fill their
 * cells. At least `least` columns; where there would be more than `MOST_CELLS` cells at a time, they are larger.
 */
export function layout(count: number, box: Box, wanted: number, aspect: number, least = 2): Layout {
  const shape = Math.min(3, Math.max(1 / 3, aspect || 1))
  const ideal = (shape >= 1 ? wanted : wanted * shape) + GAP
  let columns = Math.max(least, Math.floor(box.width / ideal))
  const cell = (): number => Math.max(1, Math.floor(box.width / columns))
  const height = (): number => Math.max(8, Math.round((cell() - GAP) / shape) + GAP)
  while (columns > least && columns * alive(box.height, height()) > MOST_CELLS) columns--
  return { columns, width: cell(), height: height(), rows: Math.ceil(count / columns) }
}

/** Rows that exist at a time at most: those in view, wherever it begins, and those beyond. */
function alive(view: number, height: number): number {
  return Math.ceil(view / height) + 1 + 2 * BEYOND
}

/** The rows that exist when the view begins at `offset`: from, to (not included). */
export function rowsAt(grid: Layout, offset: number, view: number): [number, number] {
  const from = Math.max(0, Math.floor(offset / grid.height) - BEYOND)
  const to = Math.min(grid.rows, Math.ceil((offset + view) / grid.height) + BEYOND)
  return [Math.min(from, to), to]
}

/** The places of cells that a rectangle touches, in order; the rectangle is in pixels of the whole grid. */
export function placesIn(grid: Layout, count: number, left: number, top: number, right: number, bottom: number): number[] {
  const out: number[] = []
  const first = Math.max(0, Math.floor(left / grid.width))
  const last = Math.min(grid.columns - 1, Math.floor(right / grid.width))
  const end = Math.min(grid.rows - 1, Math.floor(bottom / grid.height))
  for (let row = Math.max(0, Math.floor(top / grid.height)); row <= end; row++)
    for (let column = first; column <= last; column++) {
      const place = row * grid.columns + column
      if (place < count) out.push(place)
    }
  return out
}

/** The aspect that most images have, to two digits; 1 when nothing is known. */
export function usualAspect(sizes: Iterable<{ width: number | null; height: number | null }>): number {
  const counts = new Map<number, number>()
  for (const { width, height } of sizes) {
    if (!width || !height) continue
    const aspect = Math.round((width / height) * 100) / 100
    counts.set(aspect, (counts.get(aspect) ?? 0) + 1)
  }
  let [best, most] = [1, 0]
  for (const [aspect, count] of counts) if (count > most) [best, most] = [aspect, count]
  return best
}

/** Where a key moves the focus from `place`; null when it moves nothing. `page`: rows in view. */
export function moved(key: string, place: number, count: number, columns: number, page: number): number | null {
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page * columns, PageDown: page * columns }[key]
  const to = key === 'Home' ? 0 : key === 'End' ? count - 1 : by === undefined ? null : place + by
  if (to === null || !count) return null
  // Up and down stay in their column: at the edge, the focus stays where it is.
  if (Math.abs(by ?? 0) === columns && (to < 0 || (to >= count && Math.floor(place / columns) === Math.floor((count - 1) / columns)))) return place
  return Math.min(count - 1, Math.max(0, to))
}
