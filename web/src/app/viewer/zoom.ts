/** Where an image is on its stage. Pure arithmetic: pixels of the stage, from its upper left corner. */

import type { Handlers } from '../keys'

export interface Size {
  width: number
  height: number
}

export interface Point {
  x: number
  y: number
}

/** `scale` is pixels of the stage for one of the image; `x` and `y` are where the image's corner is. */
export interface Zoom extends Point {
  scale: number
}

/** What keys and buttons do with a stage. */
export interface StageHandle {
  larger: () => void
  smaller: () => void
  fit: () => void
  full: () => void
  /** Look further right and down by shares of the stage; false where there is nothing to see. */
  pan: (dx: number, dy: number) => boolean
  /** Of the image's pixels on the screen's, and whether that is as it fits. */
  scale: number
  isFitted: boolean
}

const MOST = 16
/** One step of a wheel, of a key; and how far a key looks elsewhere, as a share of the stage. */
export const STEP = 1.25
const PAN = 0.15

/** The keys that do something with a stage. */
export function zoomKeys(stage: () => StageHandle | null): Handlers {
  const pan = (dx: number, dy: number) => (): unknown => stage()?.pan(dx * PAN, dy * PAN) ?? false
  return {
    zoomIn: () => stage()?.larger(),
    zoomOut: () => stage()?.smaller(),
    fit: () => stage()?.fit(),
    fullSize: () => stage()?.full(),
    panLeft: pan(-1, 0),
    panRight: pan(1, 0),
    panUp: pan(0, -1),
    panDown: pan(0, 1)
  }
}

/** All of the image, as large as the stage allows. */
export function fitted(image: Size, stage: Size): Zoom {
  return placed(Math.min(stage.width / image.width, stage.height / image.height, MOST), image, stage)
}

/** The image in the middle. */
function placed(scale: number, image: Size, stage: Size): Zoom {
  return { scale, x: (stage.width - image.width * scale) / 2, y: (stage.height - image.height * scale) / 2 }
}

/** Larger or smaller by `factor`, so that what is at `point` stays there. */
export function zoomed(now: Zoom, factor: number, point: Point, image: Size, stage: Size): Zoom {
  const least = Math.min(fitted(image, stage).scale, 1)
  const scale = Math.min(MOST, Math.max(least, now.scale * factor))
  const by = scale / now.scale
  return held({ scale, x: point.x - (point.x - now.x) * by, y: point.y - (point.y - now.y) * by }, image, stage)
}

/** No edge of the image comes further in than it has to; what is smaller than the stage is in its middle. */
export function held(now: Zoom, image: Size, stage: Size): Zoom {
  const along = (at: number, length: number, room: number): number => (length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at)))
  return {
    scale: now.scale,
    x: along(now.x, image.width * now.scale, stage.width),
    y: along(now.y, image.height * now.scale, stage.height)
  }
}

/** Whether the image is larger than the stage in some direction. */
export function overflows(now: Zoom, image: Size, stage: Size): boolean {
  return image.width * now.scale > stage.width + 1 || image.height * now.scale > stage.height + 1
}

/** What a finger meant that went so far in so many milliseconds. */
export function swipe(by: Point, ms: number, stage: Size): 'next' | 'previous' | null {
  const far = Math.abs(by.x) > Math.min(stage.width / 4, 120) || (Math.abs(by.x) > 40 && ms < 300)
  if (!far || Math.abs(by.x) < 2 * Math.abs(by.y)) return null
  return by.x < 0 ? 'next' : 'previous'
}
