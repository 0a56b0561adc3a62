/** Wheel, drag and pinch on several panes that share one zoom. */

import { type Ref, ref } from 'vue'

import { FIT, panned, type Zoom, zoomed } from './zoom'

export function useZoom(): { zoom: Ref<Zoom>; wheel: (event: WheelEvent) => void; down: (event: PointerEvent) => void; move: (event: PointerEvent) => void; up: (event: PointerEvent) => void } {
  const zoom = ref<Zoom>(FIT)
  const fingers = new Map<number, { x: number; y: number }>()

  const boxOf = (event: Event): DOMRect => (event.currentTarget as HTMLElement).getBoundingClientRect()

  function wheel(event: WheelEvent): void {
    const box = boxOf(event)
    const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    zoom.value = zoomed(zoom.value, Math.exp(-event.deltaY / 400), u, v)
  }

  function down(event: PointerEvent): void {
    if (event.pointerType === 'mouse' && event.button !== 0) return
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY })
    // A swipe at the whole image goes to the next one: the browser scrolls.
    if (event.pointerType === 'mouse' || zoom.value.scale > 1) (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId)
  }

  function move(event: PointerEvent): void {
    const before = fingers.get(event.pointerId)
    if (!before) return
    const box = boxOf(event)
    const now = { x: event.clientX, y: event.clientY }
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1]
    if (other) {
      const far = (one: { x: number; y: number }): number => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y))
      const [u, v] = [((now.x + other.x) / 2 - box.left) / box.width, ((now.y + other.y) / 2 - box.top) / box.height]
      zoom.value = zoomed(zoom.value, far(now) / far(before), u, v)
    } else if (zoom.value.scale > 1) {
      zoom.value = panned(zoom.value, (now.x - before.x) / box.width, (now.y - before.y) / box.height)
    }
    fingers.set(event.pointerId, now)
  }

  const up = (event: PointerEvent): void => void fingers.delete(event.pointerId)

  return { zoom, wheel, down, move, up }
}
