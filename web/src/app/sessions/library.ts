/** The library as a whole: how much there is, and the import of what is new. */

import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'

import { type Api, ApiError, type CatalogState } from '../api'
import type { Platform } from '../platform'
import { useJudging } from '../stores/judging'
import type { SessionList } from './model'
import { ROUTE } from './store'

export type Import = CatalogState['importing']

/** How long (ms) changes are collected before the numbers are asked for again. */
const PATIENCE = 1_000

export const useLibrary = defineStore('library', () => {
  const totals = shallowRef<CatalogState['totals'] | null>(null)
  /** Status -> sessions. */
  const statuses = shallowRef<Readonly<Record<string, number>>>({})
  const remarks = shallowRef<readonly string[]>([])
  const importing = shallowRef<Import | null>(null)
  /** Whether somebody here asked for the import, and so wants to know how it went. */
  const asked = ref(false)
  const error = shallowRef<ApiError | null>(null)
  const judging = useJudging()

  let api: Api | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Begin to listen, once a page. */
  function start(given: { api: Api; platform: Platform }): void {
    if (api) return
    api = given.api
    given.platform.on('import', (told) => {
      importing.value = told as Import
      later()
    })
    for (const kind of ['sessions', 'images', 'reload'] as const) given.platform.on(kind, later)
    void refresh()
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
      const [state, { bounds }] = await Promise.all([api.catalog(), api.get<SessionList>(`${ROUTE}?limit=1`)])
      totals.value = state.totals
      statuses.value = bounds.counts.status ?? {}
      remarks.value = state.remarks
      importing.value = state.importing
      // Others judge, too; what is being written here tells it itself.
      if (!judging.writing) [judging.undoable, judging.redoable] = [state.steps.undo, state.steps.redo]
      error.value = null
    } catch (failure) {
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', String(failure), '')
    }
  }

  /** Look through the folders for new sessions. */
  async function importNow(): Promise<void> {
    await ask('/sdgen/import')
    asked.value = true // not before: how the last import ended is no answer to this
  }

  const cancelImport = (): Promise<void> => ask('/sdgen/import/cancel')

  async function ask(route: string): Promise<void> {
    try {
      importing.value = (await api?.post<Import>(route, {})) ?? null
      error.value = null
    } catch (failure) {
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', String(failure), '')
    }
  }

  return { totals, statuses, remarks, importing, asked, error, start, refresh, importNow, cancelImport }
})
