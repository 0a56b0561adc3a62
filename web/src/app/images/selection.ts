/** What is chosen, and what the keys are at: by ids, so that it stays when the order changes. */

import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { useResults } from '../stores/results'

export interface How {
  /** Add to what is chosen, or take away from it. */
  more: boolean
  /** Everything from the last choice to here. */
  range: boolean
}

export const useSelection = defineStore('selection', () => {
  const results = useResults()
  const chosen = shallowRef<ReadonlySet<number>>(new Set())
  /** The image that the keys are at; 0: none. */
  const focus = ref(0)
  /** Where a range begins. */
  let anchor = 0
  let before: ReadonlySet<number> = new Set()
  /** What the focus is in is the answer to this. */
  let question = results.answered

  const count = computed(() => chosen.value.size)
  /** In the order of what is found. */
  const ids = computed(() => [...results.ids].filter((id) => chosen.value.has(id)))
  const focused = computed(() => (focus.value ? results.placeOf(focus.value) : -1))

  const idAt = (place: number): number => results.ids[place] ?? 0

  /** Choose the image at a place: alone, one more or less, or the range up to it. */
  function choose(place: number, { more, range }: How): void {
    const id = idAt(place)
    if (!id) return
    focus.value = id
    question = results.answered
    if (range && results.placeOf(anchor) >= 0) {
      const there = results.placeOf(anchor)
      const between = results.ids.subarray(Math.min(there, place), Math.max(there, place) + 1)
      chosen.value = new Set(more ? [...chosen.value, ...between] : between)
      return
    }
    anchor = id
    if (!more) {
      chosen.value = new Set([id])
      return
    }
    const next = new Set(chosen.value)
    if (!next.delete(id)) next.add(id)
    chosen.value = next
  }

  /** Move the keys to a place; what is chosen stays. */
  function goTo(place: number): void {
    focus.value = anchor = idAt(place)
    question = results.answered
  }

  /** A rectangle is being drawn: what is inside is chosen, with `more` besides what was. */
  function sweepBegins(more: boolean): void {
    before = more ? chosen.value : new Set()
  }

  function sweep(places: readonly number[]): void {
    const next = new Set(before)
    for (const place of places) next.add(idAt(place))
    chosen.value = next
  }

  function all(): void {
    chosen.value = new Set(results.ids)
  }

  function invert(): void {
    chosen.value = new Set([...results.ids].filter((id) => !chosen.value.has(id)))
  }

  function clear(): void {
    chosen.value = new Set()
  }

  /**
   * Let go what is not found any more. The keys stay at the place of an image that went away, for the next one is there; among the
   * answers to another question they are nowhere.
   */
  function prune(_now: Int32Array, old: Int32Array): void {
    const same = question === results.answered
    question = results.answered
    if (focus.value && results.placeOf(focus.value) < 0) {
      const place = same ? old.indexOf(focus.value) : -1
      focus.value = anchor = place < 0 ? 0 : idAt(Math.min(place, results.total - 1))
    }
    if (!chosen.value.size) return
    const found = new Set(results.ids)
    const kept = [...chosen.value].filter((id) => found.has(id))
    if (kept.length < chosen.value.size) chosen.value = new Set(kept)
  }

  return { chosen, focus, focused, count, ids, choose, goTo, sweepBegins, sweep, all, invert, clear, prune }
})
