/** Zoom and pan that several images share: numbers only. */

/** `x` and `y` are where the middle of the pane is in the image, as shares of its size; `scale` 1 fits the image into the pane. */
export interface Zoom {
  scale: number
  x: number
  y: number
}

export const FIT: Zoom = { scale: 1, x: 0.5, y: 0.5 }
const LARGEST = 16

const between = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value))

/** The nearest zoom that leaves no image outside of its pane. */
export function kept({ scale, x, y }: Zoom): Zoom {
  const most = between(scale, 1, LARGEST)
  const edge = 0.5 / most
  return { scale: most, x: between(x, edge, 1 - edge), y: between(y, edge, 1 - edge) }
}

/** Zoomed by `factor` so that the point at (`u`, `v`), as shares of the fitted image, stays where it is. */
export function zoomed(of: Zoom, factor: number, u = 0.5, v = 0.5): Zoom {
  const scale = between(of.scale * factor, 1, LARGEST)
  // u = 1/2 + (p - x) * scale for a point p of the image: p is the same before and after.
  const [p, q] = [of.x + (u - 0.5) / of.scale, of.y + (v - 0.5) / of.scale]
  return kept({ scale, x: p - (u - 0.5) / scale, y: q - (v - 0.5) / scale })
}

/** Moved by shares of the fitted image, as a hand drags it. */
export function panned(of: Zoom, dx: number, dy: number): Zoom {
  return kept({ ...of, x: of.x - dx / of.scale, y: of.y - dy / of.scale })
}

/** The zoom as CSS has it, for an image that is fitted into its pane. */
export function transform({ scale, x, y }: Zoom): string {
  return `translate(${(0.5 - x) * scale * 100}%, ${(0.5 - y) * scale * 100}%) scale(${scale})`
}
