/** A swipe to the right goes back, as on a phone. */

const FAR = 70 // px
const STRAIGHT = 2 // times as far across as up or down
const QUICK = 700 // ms

interface Touch {
  x: number
  y: number
  at: number
}

export function isSwipeBack(from: Touch, to: Touch): boolean {
  const across = to.x - from.x
  return across >= FAR && across >= STRAIGHT * Math.abs(to.y - from.y) && to.at - from.at <= QUICK
}

/** Whether something at `element` is itself moved sideways: a slider, or what scrolls. */
export function movesSideways(element: Element | null): boolean {
  for (let here = element; here; here = here.parentElement) {
    if (here instanceof HTMLInputElement) return true
    const { overflowX } = getComputedStyle(here)
    if ((overflowX === 'auto' || overflowX === 'scroll') && here.scrollWidth > here.clientWidth + 1) return true
  }
  return false
}

/** Listeners for touches that call `back`; with a second finger, it is no swipe. */
export function swiping(back: () => void, active: () => boolean): { touchstart: (event: TouchEvent) => void; touchend: (event: TouchEvent) => void } {
  let from: Touch | null = null
  return {
    touchstart(event) {
      const [touch, second] = event.touches
      const target = event.target instanceof Element ? event.target : null
      from = touch && !second && active() && !movesSideways(target) ? { x: touch.clientX, y: touch.clientY, at: event.timeStamp } : null
    },
    touchend(event) {
      const touch = event.changedTouches[0]
      if (from && touch && active() && isSwipeBack(from, { x: touch.clientX, y: touch.clientY, at: event.timeStamp })) back()
      from = null
    }
  }
}
