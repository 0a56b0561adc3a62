/** The rows of the grid that exist, and its scrolling: plain arithmetic, for all rows are equal. */

import { computed, nextTick, onBeforeUnmount, onMounted, type Ref, ref, watch } from 'vue'

import { useResults } from '../stores/results'
import { layout, rowsAt, usualAspect } from './layout'
import { placeOf, remember } from './place'
import { CAP, Scroll } from './scroll'

/** Faster than this (px/ms), nobody can see what passes: thumbnails that are not here yet are not asked for. */
const QUICK = 4
const SETTLED = 90
/** Images whose cards are asked for together. */
const TOGETHER = 100

export function useRows(box: Ref<HTMLElement | null>, size: () => number) {
  const results = useResults()
  const scroll = new Scroll()
  const view = ref({ width: 0, height: 0 })
  const aspect = ref(0)
  const quick = ref(false)
  const offset = ref(0)
  const base = ref(0)

  const grid = computed(() => layout(results.total, view.value, size(), aspect.value))
  const height = computed(() => grid.value.rows * grid.value.height)
  const range = computed(() => rowsAt(grid.value, offset.value, view.value.height))
  const page = computed(() => Math.max(1, Math.floor(view.value.height / grid.value.height)))
  /** Rows with their place in the element, and their images' places. */
  const rows = computed(() => {
    const [from, to] = range.value
    const { columns, height: tall } = grid.value
    return Array.from({ length: to - from }, (_, n) => {
      const row = from + n
      return { row, top: row * tall - base.value, from: row * columns, to: Math.min(results.total, (row + 1) * columns) }
    })
  })

  /** The first image in view, its place, and which share of its row is above. */
  let top = { id: 0, at: 0, share: 0 }
  let before = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function shown(): void {
    offset.value = scroll.offset
    base.value = scroll.base
    const row = Math.floor(offset.value / grid.value.height)
    const at = row * grid.value.columns
    top = { id: results.ids[at] ?? 0, at, share: offset.value / grid.value.height - row }
  }

  /** Have the view begin at `to` pixels of the whole. */
  function scrollTo(to: number): void {
    scroll.resize(height.value, view.value.height)
    const top = scroll.to(to)
    shown()
    if (box.value && box.value.scrollTop !== top) box.value.scrollTop = top
  }

  function scrolled(): void {
    if (!box.value) return
    const [top, now, was] = [box.value.scrollTop, performance.now(), scroll.offset]
    const right = scroll.scrolled(top)
    if (right !== top) box.value.scrollTop = right
    quick.value = Math.abs(scroll.offset - was) > QUICK * Math.max(16, now - before)
    before = now
    shown()
    clearTimeout(timer)
    timer = setTimeout(() => {
      quick.value = false
      note()
    }, SETTLED)
  }

  /** Bring a place into view, as little as that takes. */
  function show(place: number): void {
    const tall = grid.value.height
    const top = Math.floor(place / grid.value.columns) * tall
    if (top < offset.value) scrollTo(top)
    else if (top + tall > offset.value + view.value.height) scrollTo(top + tall - view.value.height)
  }

  // ---- the place is kept: by the first image in view, and how far its row is above ----

  function note(): void {
    remember(results.answered, { ...top, aspect: aspect.value })
  }

  /** Be where the user was: at the image, or at its place when it is not there any more. At the top new images are seen coming. */
  function keep(): void {
    const there = results.placeOf(top.id)
    const at = there >= 0 ? there : Math.min(top.at, results.total - 1)
    const atTop = top.at === 0 && top.share === 0
    const same = top
    scrollTo(atTop ? 0 : (Math.floor(at / grid.value.columns) + top.share) * grid.value.height)
    if (there >= 0) top = { ...same, at } // as it was meant, however the rows fall
  }

  /** Begin with an answer to another question: where one was in it before, or at its top. */
  function begin(): void {
    const known = placeOf(results.answered)
    aspect.value = known?.aspect ?? 0
    top = known ?? { id: 0, at: 0, share: 0 }
    keep()
  }

  function shape(): void {
    if (aspect.value || !results.total) return
    const first = Array.from(results.ids.subarray(range.value[0] * grid.value.columns, range.value[1] * grid.value.columns))
    const sizes = first.flatMap((id) => results.cards.get(id) ?? [])
    if (sizes.length) aspect.value = usualAspect(sizes)
  }

  let asked = results.answered
  watch(
    () => results.ids,
    (_, old) => {
      if (asked !== results.answered || !old.length) begin()
      else keep()
      asked = results.answered
    },
    { flush: 'post' }
  )
  watch([() => grid.value.columns, () => grid.value.height], keep, { flush: 'post' })
  watch([range, () => results.ids, () => grid.value.columns], () => {
    const { columns } = grid.value
    const [from, to] = [range.value[0] * columns, range.value[1] * columns]
    // In windows: not a request for each row that comes into view.
    if (view.value.height) results.need(Math.floor(from / TOGETHER) * TOGETHER, Math.ceil(to / TOGETHER) * TOGETHER)
  })
  watch(() => results.cards.size, shape)

  let watching: ResizeObserver | undefined
  onMounted(() => {
    const found = box.value
    if (!found) return
    watching = new ResizeObserver(() => (view.value = { width: found.clientWidth, height: found.clientHeight }))
    watching.observe(found)
    found.addEventListener('scroll', scrolled, { passive: true })
    view.value = { width: found.clientWidth, height: found.clientHeight }
    begin()
    shape()
    void nextTick(keep)
  })
  onBeforeUnmount(() => {
    watching?.disconnect()
    clearTimeout(timer)
    note()
  })

  /** Of the element that is scrolled. */
  const element = computed(() => Math.min(height.value, CAP))
  return { grid, rows, element, offset, page, quick, view, scrollTo, show }
}
