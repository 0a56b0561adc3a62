/** What the sidebar shows of the library: the newest sessions and the newest image. */

import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { type Api, ApiError, type Card } from '../api'
import type { Platform } from '../platform'
import type { SessionCard, SessionList } from '../sessions/model'
import { ROUTE } from '../sessions/store'
import { useResults } from '../stores/results'

const SESSIONS = 10
/** How long (ms) changes are collected before everything is asked for again. */
const PATIENCE = 700

export const useRecent = defineStore('recent', () => {
  const sessions = shallowRef<readonly SessionCard[]>([])
  const newestId = ref(0)
  const loading = ref(true)
  const error = shallowRef<ApiError | null>(null)
  const results = useResults()
  /** Among the results' cards, so that a mark is seen at once wherever it is set. */
  const newest = computed(() => results.cards.get(newestId.value))

  let api: Api | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Begin to listen; gives the function that ends it. */
  function start(given: { api: Api; platform: Platform }): () => void {
    api = given.api
    const stops = (['sessions', 'images', 'import', 'reload'] as const).map((kind) => given.platform.on(kind, later))
    void refresh()
    return () => {
      clearTimeout(timer)
      timer = undefined
      for (const stop of stops) stop()
    }
  }

  function later(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      void refresh()
    }, PATIENCE)
  }

  async function refresh(): Promise<void> {
    if (!api) return
    try {
      const [list, page] = await Promise.all([
        api.get<SessionList>(ROUTE, { limit: SESSIONS }),
        api.get<{ images: Card[] }>('/sdgen/images', { limit: 1 })
      ])
      sessions.value = list.sessions
      const image = page.images[0]
      if (image) results.cards.set(image.id, image)
      newestId.value = image?.id ?? 0
      error.value = null
    } catch (failure) {
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', String(failure), '')
    } finally {
      loading.value = false
    }
  }

  return { sessions, newest, loading, error, start, refresh }
})
