/** The place of an image in what is found, and the images around it. */

import { computed, ref, watch } from 'vue'

import { useResults } from '../stores/results'
import { AHEAD, around, type Near } from './pictures'

/** What is before and behind the image `id`, also when it is not, or no longer, in the list. */
export function useNeighbours(id: () => number) {
  const results = useResults()
  const place = computed(() => (results.ids, results.placeOf(id())))
  /** Where it was before it left the list: what took its place is the next one. */
  const left = ref(-1)
  watch(place, (at) => (left.value = at >= 0 ? at : left.value), { immediate: true })

  const at = (wanted: number): number | null => (wanted >= 0 && wanted < results.total ? (results.ids[wanted] ?? null) : null)
  const next = computed(() => at(place.value >= 0 ? place.value + 1 : Math.max(0, left.value)))
  const previous = computed(() => (place.value < 0 && left.value < 0 ? null : at(place.value >= 0 ? place.value - 1 : left.value - 1)))

  watch(
    [place, () => results.ids],
    () => {
      const from = Math.max(0, place.value >= 0 ? place.value : left.value)
      results.need(from - AHEAD, from + AHEAD + 1)
    },
    { immediate: true }
  )

  const near = computed<Near[]>(() => {
    const from = place.value >= 0 ? place.value : left.value
    return around(from, results.total).map((one) => results.ids[one] ?? 0).map((near) => ({ id: near, card: results.cards.get(near) }))
  })

  return { place, next, previous, near, first: computed(() => at(0)), last: computed(() => at(results.total - 1)) }
}
