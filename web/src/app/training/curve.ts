/** The geometry of the curve of losses: numbers only. */

import type { RunPoint } from './model'

const round = (number: number): number => Math.round(number * 100) / 100

export interface Curve {
  /** What was told, and the way that it takes on the whole, as SVG's `d`. */
  line: string
  trend: string
  /** Where each point lies. */
  places: { x: number; y: number }[]
  low: number
  high: number
}

/** So much of the points does the trend look back upon: from step to step losses jump with the noise that is drawn. */
const BACK = 1 / 15

/** The losses smoothed: the mean of those before, older ones ever less (an exponential moving average). */
export function trendOf(losses: readonly number[]): number[] {
  const weight = 2 / (Math.max(1, losses.length * BACK) + 1)
  const out: number[] = []
  for (const loss of losses) out.push(out.length ? (out.at(-1) ?? 0) * (1 - weight) + loss * weight : loss)
  return out
}

/** A curve in a box: steps from the left, the greatest loss on top. `steps` is where the box ends: what is to come stays empty. */
export function curveOf(points: readonly RunPoint[], steps: number, width: number, height: number): Curve {
  const losses = points.map(({ loss }) => loss)
  const [low, high] = [Math.min(...losses), Math.max(...losses)]
  const last = Math.max(1, steps, points.at(-1)?.step ?? 0)
  const down = (loss: number): number => round(high > low ? ((high - loss) / (high - low)) * height : height / 2)
  const places = points.map(({ step, loss }) => ({ x: round((step / last) * width), y: down(loss) }))
  const trend = trendOf(losses).map((loss, n) => ({ x: places[n]?.x ?? 0, y: down(loss) }))
  const join = (corners: readonly { x: number; y: number }[]): string => corners.map(({ x, y }, n) => `${n ? 'L' : 'M'}${x} ${y}`).join(' ')
  return { line: join(places), trend: join(trend), places, low, high }
}

/** The point nearest to a place across; -1 where there is none. */
export function nearest(places: readonly { x: number }[], x: number): number {
  let best = -1
  places.forEach((place, n) => {
    if (best < 0 || Math.abs(place.x - x) < Math.abs((places[best]?.x ?? 0) - x)) best = n
  })
  return best
}
