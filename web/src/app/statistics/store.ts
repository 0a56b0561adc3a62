/** The table that is looked at, asked for anew when its address or what was said of images changes. */

import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

import { ApiError } from '../api'
import { useApi, usePlatform, useTexts } from '../provided'
import { within } from '../question'
import { useViews } from '../views'
import { both } from './links'
import { asked, type Row, type Shown, type Success, type Totals } from './tables'

/** How long (ms) news are collected. */
const PATIENCE = 500

interface Answer<T> {
  rows: T[]
  remarks: string[]
}

/** A table; which one, `shown` says. */
export function useStatistics(shown: () => Shown) {
  const api = useApi()
  const platform = usePlatform()
  const texts = useTexts()
  const views = useViews()

  const query = computed(() => within(views.now.session, views.now.q))
  const rows = shallowRef<Row[] | null>(null)
  const totals = shallowRef<Totals | null>(null)
  const time = shallowRef<Success[]>([])
  const remarks = ref<string[]>([])
  const loading = ref(false)
  const error = shallowRef<ApiError | null>(null)
  let running: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function ask<T>(name: string, by: string | null, signal: AbortSignal): Promise<Answer<T>> {
    return api.get<Answer<T>>(`/sdgen/statistics/${name}`, { q: query.value, by }, signal)
  }

  async function load(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    running?.abort()
    const mine = (running = new AbortController())
    loading.value = true
    const { table, period } = shown()
    const { name, by } = asked(table, period)
    try {
      if (table === 'overview') {
        const [sums, weeks] = await Promise.all([ask<Totals>(name, by, mine.signal), ask<Success>('groups', period, mine.signal)])
        if (mine.signal.aborted) return
        totals.value = sums.rows[0] ?? null
        time.value = weeks.rows
        remarks.value = sums.remarks
      } else {
        const answer = await ask<Row>(name, by, mine.signal)
        if (mine.signal.aborted) return
        rows.value = answer.rows
        remarks.value = answer.remarks
      }
      error.value = null
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', texts.noServer, '')
    } finally {
      if (running === mine) loading.value = false
    }
  }

  const soon = (): void => void (timer ??= setTimeout(() => void load(), PATIENCE))

  watch(
    () => JSON.stringify([query.value, shown().table, shown().period]),
    () => {
      rows.value = null
      if (views.now.screen === 'statistics') void load()
    },
    { immediate: true }
  )

  const stops = [
    platform.on('images', soon),
    platform.on('import', ({ running: still }) => {
      if (!still) soon()
    }),
    platform.on('reload', soon)
  ]
  onScopeDispose(() => {
    for (const stop of stops) stop()
    running?.abort()
    clearTimeout(timer)
  })

  /** Open the images that `q` finds among those that the statistics are about; `session`: of a session's own row. */
  function open(q: string, session = views.now.session): void {
    views.go({ screen: 'images', session, q: both(views.now.q, q) })
  }

  return { rows, totals, time, remarks, loading, error, load, open }
}
