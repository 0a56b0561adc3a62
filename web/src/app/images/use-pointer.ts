/** What the mouse and the finger do on the grid: choose, open, draw a rectangle, press long. */

import { type ComputedRef, onBeforeUnmount, type Ref, ref } from 'vue'

import { useResults } from '../stores/results'
import { type Layout, placesIn } from './layout'
import { useSelection } from './selection'

const FAR = 6
const LONG = 500
const EDGE = 40

interface Rows {
  grid: ComputedRef<Layout>
  offset: Ref<number>
  scrollTo: (offset: number) => void
}

/** A rectangle, in pixels of the view. */
export interface Drawn {
  left: number
  top: number
  width: number
  height: number
}

export function usePointer(box: Ref<HTMLElement | null>, rows: Rows, open: (id: number) => void) {
  const results = useResults()
  const selection = useSelection()
  const drawn = ref<Drawn | null>(null)

  let from: { x: number; y: number; more: boolean } | null = null
  let at = { x: 0, y: 0 }
  let swallow = false
  let kind = 'mouse'
  let long: ReturnType<typeof setTimeout> | undefined
  let frame = 0

  function placeAt(event: MouseEvent): number {
    const cell = (event.target as HTMLElement).closest<HTMLElement>('[data-place]')
    return cell ? Number(cell.dataset.place) : -1
  }

  const inside = (event: PointerEvent): { x: number; y: number } => {
    const { left, top } = box.value?.getBoundingClientRect() ?? { left: 0, top: 0 }
    return { x: event.clientX - left, y: event.clientY - top }
  }

  function down(event: PointerEvent): void {
    kind = event.pointerType
    swallow = false
    at = inside(event)
    if (event.button !== 0 || !box.value || at.x >= box.value.clientWidth) return
    if (kind === 'mouse') {
      from = { x: at.x, y: at.y + rows.offset.value, more: event.ctrlKey || event.metaKey || event.shiftKey }
      return
    }
    const place = placeAt(event)
    clearTimeout(long)
    if (place < 0) return
    long = setTimeout(() => {
      swallow = true
      selection.choose(place, { more: true, range: false })
      if ('vibrate' in navigator) navigator.vibrate(15)
    }, LONG)
  }

  function move(event: PointerEvent): void {
    const now = inside(event)
    if (Math.hypot(now.x - at.x, now.y - at.y) > FAR) clearTimeout(long)
    if (!from) return
    if (!drawn.value && Math.hypot(now.x - from.x, now.y + rows.offset.value - from.y) < FAR) return
    at = now
    if (!drawn.value) {
      box.value?.setPointerCapture(event.pointerId)
      selection.sweepBegins(from.more)
      frame = requestAnimationFrame(along)
    }
    draw()
  }

  /** While the mouse is at an edge, what is beyond comes into view. */
  function along(): void {
    if (!drawn.value || !box.value) return
    const tall = box.value.clientHeight
    const by = at.y < EDGE ? at.y - EDGE : at.y > tall - EDGE ? at.y - tall + EDGE : 0
    if (by) {
      rows.scrollTo(rows.offset.value + by / 2)
      draw()
    }
    frame = requestAnimationFrame(along)
  }

  function draw(): void {
    if (!from) return
    const [fromY, toY] = [from.y, at.y + rows.offset.value]
    const [left, top] = [Math.min(from.x, at.x), Math.min(fromY, toY)]
    drawn.value = { left, top: top - rows.offset.value, width: Math.abs(from.x - at.x), height: Math.abs(fromY - toY) }
    selection.sweep(placesIn(rows.grid.value, results.total, left, top, left + drawn.value.width, top + drawn.value.height))
  }

  function up(): void {
    clearTimeout(long)
    cancelAnimationFrame(frame)
    swallow ||= drawn.value !== null
    from = null
    drawn.value = null
  }

  function click(event: MouseEvent): void {
    if (swallow) {
      swallow = false
      return
    }
    const place = placeAt(event)
    const touched = kind !== 'mouse'
    if (place < 0) selection.clear()
    else if (touched && !selection.count) open(results.ids[place] ?? 0)
    else selection.choose(place, { more: touched || event.ctrlKey || event.metaKey, range: event.shiftKey })
  }

  function doubleClick(event: MouseEvent): void {
    const place = placeAt(event)
    if (place >= 0 && kind === 'mouse') open(results.ids[place] ?? 0)
  }

  /** A long press is ours; a right click is the browser's. */
  function menu(event: MouseEvent): void {
    if (kind !== 'mouse') event.preventDefault()
  }

  onBeforeUnmount(up)
  return { drawn, down, move, up, click, doubleClick, menu }
}
