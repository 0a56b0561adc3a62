/** Live counts of what is found, anew whenever it is different. */

import { onBeforeUnmount, ref, shallowRef, watch } from 'vue'

import { type Api, ApiError, type Facets } from '../api'
import { useResults } from '../stores/results'

const PAUSE = 120
/** The most values of a placeholder that are asked for when somebody wants all of them. */
const ALL = 10_000

export function useFacets(api: Api, open: () => boolean) {
  const results = useResults()
  const facets = shallowRef<Facets | null>(null)
  const error = shallowRef<ApiError | null>(null)
  const loading = ref(false)
  /** Placeholders of which all values are wanted. */
  const whole = new Set<string>()
  let running: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    running?.abort()
    const mine = (running = new AbortController())
    loading.value = true
    try {
      const found = await api.facets(results.q, mine.signal)
      const parts = await Promise.all([...whole].map((placeholder) => all(placeholder, mine.signal)))
      if (mine.signal.aborted) return
      for (const part of parts) if (part) found.placeholders = found.placeholders.map((one) => (one.name === part.name ? part : one))
      facets.value = found
      error.value = null
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', String(failure), '')
    } finally {
      if (running === mine) loading.value = false
    }
  }

  async function all(placeholder: string, signal: AbortSignal): Promise<Facets['placeholders'][number] | undefined> {
    const found = await api.get<Facets>('/sdgen/facets', { q: results.q, placeholder, limit: ALL }, signal)
    return found.placeholders[0]
  }

  function soon(): void {
    clearTimeout(timer)
    if (open()) timer = setTimeout(() => void load(), PAUSE)
  }

  /** Have every value of a placeholder, not only the most frequent ones. */
  function wantAll(placeholder: string): void {
    if (whole.has(placeholder)) return
    whole.add(placeholder)
    void load()
  }

  watch(() => [results.answers, results.changes, open()], soon, { immediate: true })
  onBeforeUnmount(() => {
    clearTimeout(timer)
    running?.abort()
  })
  return { facets, error, loading, wantAll, again: load }
}
