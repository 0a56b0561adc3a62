/** How what is being typed can go on, as the server knows it. */

import { onBeforeUnmount, ref, shallowRef } from 'vue'

import type { Api } from '../api'
import { meaningOf, type Typing } from './query-text'

export interface Suggestion {
  /** The clause as the query has it, or a name with its colon. */
  text: string
  label: string
  kind: string
  images: number | null
}

const MOST = 12
const PAUSE = 60

export function useCompletion(api: Api) {
  const suggestions = shallowRef<Suggestion[]>([])
  /** Which of them is chosen; -1: none yet. */
  const at = ref(-1)
  let running: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function close(): void {
    clearTimeout(timer)
    running?.abort()
    suggestions.value = []
    at.value = -1
  }

  function ask(now: Typing): void {
    clearTimeout(timer)
    running?.abort()
    // Names are offered once something is typed; values at once.
    if (!now.field && !now.text) close()
    else timer = setTimeout(() => void load(now), PAUSE)
  }

  async function load(now: Typing): Promise<void> {
    const mine = (running = new AbortController())
    try {
      const answer = await api.get<{ suggestions: Suggestion[] }>('/sdgen/complete', { field: now.field && meaningOf(now.field), text: now.text, limit: MOST }, mine.signal)
      if (mine.signal.aborted) return
      const typed = now.field ? `${now.field}:${now.text}` : now.text
      suggestions.value = answer.suggestions.filter(({ text }) => text !== typed)
      at.value = -1
    } catch {
      // A field that there is not has no suggestions; the search itself says what is wrong.
      if (!mine.signal.aborted) close()
    }
  }

  onBeforeUnmount(close)
  return { suggestions, at, ask, close }
}
