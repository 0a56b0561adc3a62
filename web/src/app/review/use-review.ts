/** The queue of a review, from the server: what is least known first, and what has become known meanwhile. */

import { onBeforeUnmount, ref, shallowRef } from 'vue'

import { ApiError } from '../api'
import type { components } from '../openapi'
import { useApi } from '../provided'
import type { Run } from './run'

type Review = components['schemas']['Review']

const TOGETHER = 60
/** With fewer left than this, more are asked for. */
const LOW = 15
/** How long (ms) after a verdict it is asked what has become known. */
const PATIENCE = 800

export function useReview(run: Run, query: () => string) {
  const api = useApi()
  const loading = ref(false)
  const problem = shallowRef<ApiError | null>(null)
  /** What is known now, and how many values were known well at the start. */
  const known = shallowRef<Pick<Review, 'known' | 'narrow' | 'values' | 'open'> | null>(null)
  const before = ref(0)
  const ended = ref(false)
  /** Only this placeholder is asked about; empty: any. */
  const only = ref('')
  let timer: ReturnType<typeof setTimeout> | undefined
  let asking = 0

  async function ask(limit: number): Promise<Review | undefined> {
    const mine = ++asking
    const found = await api.get<Review>('/sdgen/review', { q: query(), placeholder: only.value, limit })
    if (mine !== asking) return undefined
    if (!known.value) before.value = found.narrow
    known.value = found
    return found
  }

  /** Ask for the order anew: at the start, or about one placeholder alone. */
  async function begin(): Promise<void> {
    loading.value = true
    problem.value = null
    ended.value = false
    try {
      const found = await ask(TOGETHER)
      if (found) run.replace(found.ids)
    } catch (error) {
      problem.value = error instanceof ApiError ? error : new ApiError('no-answer', String(error), '')
    } finally {
      loading.value = false
    }
  }

  /** More images, when few are left; what was looked at does not come again. */
  async function more(): Promise<void> {
    if (loading.value || ended.value || run.left.value > LOW) return
    loading.value = true
    try {
      const before = run.queue.value.length
      const found = await ask(TOGETHER + run.left.value)
      if (found) run.add(found.ids)
      ended.value = run.queue.value.length === before
    } catch {
      // It is tried again at the next image.
    } finally {
      loading.value = false
    }
  }

  /** Something was said: what is known is counted again, soon. */
  function said(): void {
    clearTimeout(timer)
    timer = setTimeout(() => void (loading.value || ask(1).catch(() => undefined)), PATIENCE)
  }
  onBeforeUnmount(() => clearTimeout(timer))

  return { loading, problem, known, before, only, begin, more, said }
}
