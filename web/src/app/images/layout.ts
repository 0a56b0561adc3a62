/** How a grid of equal cells is laid out: numbers only, the same for ten images and half a million. */

export interface Layout {
  columns: number
  /** Of a cell with its gap, in pixels. */
  width: number
  height: number
  rows: number
}

export const GAP = 6

/**
 * Cells of about `wanted` pixels on their longer side in a box of `width`; `aspect` is width over height of the images, so that they
 * fill their cells. At least `least` columns.
 */
export function layout(count: number, width: number, wanted: number, aspect: number, least = 2): Layout {
  const shape = Math.min(3, Math.max(1 / 3, aspect || 1))
  const ideal = (shape >= 1 ? wanted : wanted * shape) + GAP
  const columns = Math.max(least, Math.floor(width / ideal))
  const cell = Math.max(1, Math.floor(width / columns))
  return { columns, width: cell, height: Math.round((cell - GAP) / shape) + GAP, rows: Math.ceil(count / columns) }
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
