/** Which sessions of a list are selected: by click, with Shift from the last one on, or all. */

import { ref } from 'vue'

import type { useSessionList } from './store'

export function useSelection(list: ReturnType<typeof useSessionList>) {
  const selected = ref<ReadonlySet<string>>(new Set())
  /** Whether a click on a card selects it, as on phones. */
  const selecting = ref(false)
  let last = -1

  function select(place: number, event: { shiftKey: boolean } | null): void {
    const now = new Set(selected.value)
    const slug = list.slugs[place]
    if (slug === undefined) return
    if (event?.shiftKey && last >= 0) {
      for (let at = Math.min(last, place); at <= Math.max(last, place); at++) {
        const between = list.slugs[at]
        if (between !== undefined) now.add(between)
      }
    } else if (!now.delete(slug)) now.add(slug)
    last = place
    selected.value = now
    selecting.value = now.size > 0
  }

  /** All that are found; those that were not read yet are. */
  async function all(): Promise<void> {
    await list.more(list.total)
    selected.value = new Set(list.slugs)
    selecting.value = true
  }

  function none(): void {
    selected.value = new Set()
    selecting.value = false
    last = -1
  }

  return { selected, selecting, select, all, none }
}
