/** Moving an image on its stage: by wheel, fingers, mouse and keys. */

import { computed, onBeforeUnmount, onMounted, type Ref, ref, shallowRef } from 'vue'

import { fitted, held, overflows, type Point, type Size, STEP, swipe, type Zoom, zoomed } from './zoom'

export interface Moves {
  next(): void
  previous(): void
}

export function useZoom(stage: Ref<HTMLElement | null>, image: () => Size, moves: Moves) {
  const room = ref<Size>({ width: 1, height: 1 })
  /** null: as it fits. */
  const chosen = shallowRef<Zoom | null>(null)
  const dragging = ref(false)
  const now = computed(() => (chosen.value ? held(chosen.value, image(), room.value) : fitted(image(), room.value)))
  const isLarge = computed(() => overflows(now.value, image(), room.value))
  /** Of a picture's pixels on the screen's own. */
  const scale = computed(() => now.value.scale * devicePixelRatio)

  const middle = (): Point => ({ x: room.value.width / 2, y: room.value.height / 2 })

  function zoom(factor: number, point: Point = middle()): void {
    chosen.value = zoomed(now.value, factor, point, image(), room.value)
  }

  function fit(): void {
    chosen.value = null
  }

  /** A pixel of the image on a pixel of the screen. */
  function full(point: Point = middle()): void {
    zoom(1 / devicePixelRatio / now.value.scale, point)
  }

  function toggle(point: Point): void {
    if (chosen.value) fit()
    else if (Math.abs(now.value.scale * devicePixelRatio - 1) > 0.01 && now.value.scale * devicePixelRatio < 1) full(point)
    else zoom(2, point)
  }

  /** Look elsewhere, by shares of the stage; false where all of the image is in view. */
  function pan(dx: number, dy: number): boolean {
    if (!isLarge.value) return false
    chosen.value = held({ ...now.value, x: now.value.x - dx * room.value.width, y: now.value.y - dy * room.value.height }, image(), room.value)
    return true
  }

  // ---- pointers ------------------------------------------------------------------------------------------------------------

  const pointers = new Map<number, Point>()
  let began: { at: Point; time: number; many: boolean } | undefined
  let tapped = { time: 0, at: { x: 0, y: 0 } }

  function place(event: { clientX: number; clientY: number }): Point {
    const box = stage.value?.getBoundingClientRect()
    return { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) }
  }

  function down(event: PointerEvent): void {
    if (event.button !== 0 || (event.target instanceof Element && event.target.closest('button'))) return
    stage.value?.setPointerCapture(event.pointerId)
    pointers.set(event.pointerId, place(event))
    began = pointers.size > 1 && began ? { ...began, many: true } : { at: place(event), time: event.timeStamp, many: false }
    dragging.value = true
  }

  function move(event: PointerEvent): void {
    const before = pointers.get(event.pointerId)
    if (!before) return
    const at = place(event)
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1]
    if (other) {
      const length = (one: Point): number => Math.hypot(one.x - other.x, one.y - other.y) || 1
      zoom(length(at) / length(before), { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 })
    } else if (isLarge.value) {
      chosen.value = held({ ...now.value, x: now.value.x + at.x - before.x, y: now.value.y + at.y - before.y }, image(), room.value)
    }
    pointers.set(event.pointerId, at)
  }

  function up(event: PointerEvent): void {
    if (!pointers.delete(event.pointerId) || pointers.size) return
    dragging.value = false
    if (!began || event.type === 'pointercancel') return
    const at = place(event)
    const by = { x: at.x - began.at.x, y: at.y - began.at.y }
    const meant = began.many || isLarge.value ? null : swipe(by, event.timeStamp - began.time, room.value)
    if (meant === 'next') moves.next()
    else if (meant === 'previous') moves.previous()
    else if (Math.hypot(by.x, by.y) < 8) tap(at, event.timeStamp)
    began = undefined
  }

  /** Touch screens send no double click where nothing may scroll. */
  function tap(at: Point, time: number): void {
    if (time - tapped.time < 350 && Math.hypot(at.x - tapped.at.x, at.y - tapped.at.y) < 30) {
      toggle(at)
      tapped = { time: 0, at }
    } else tapped = { time, at }
  }

  function wheel(event: WheelEvent): void {
    event.preventDefault()
    const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY
    zoom(Math.exp(-Math.max(-120, Math.min(120, pixels)) / 400), place(event))
  }

  let watching: ResizeObserver | undefined
  onMounted(() => {
    const element = stage.value
    if (!element) return
    const measure = (): void => void (room.value = { width: Math.max(1, element.clientWidth), height: Math.max(1, element.clientHeight) })
    measure()
    watching = new ResizeObserver(measure)
    watching.observe(element)
    element.addEventListener('wheel', wheel, { passive: false })
  })
  onBeforeUnmount(() => watching?.disconnect())

  return { now, scale, dragging, isLarge, isFitted: computed(() => !chosen.value), zoom, fit, full, larger: () => zoom(STEP), smaller: () => zoom(1 / STEP), pan, down, move, up }
}
