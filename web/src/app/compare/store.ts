/** The matrix that is looked at: asked for anew when the address or the images change. */

import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

import { ApiError } from '../api'
import { useApi, usePlatform, useTexts } from '../provided'
import { type Mark, useJudging, type Verdict } from '../stores/judging'
import { useResults } from '../stores/results'
import { useViews } from '../views'
import { type Asked, type Place, readLocks, routeOf, writeLocks } from './address'
import { cellAt, type Compared, judged, SEED, shownImage } from './matrix'

export const PAGE = 20
/** How long (ms) news are collected: a batch of images comes one by one. */
const PATIENCE = 300

export function useCompare() {
  const api = useApi()
  const platform = usePlatform()
  const texts = useTexts()
  const views = useViews()
  const results = useResults()
  const judging = useJudging()

  const made = shallowRef<Compared | null>(null)
  const loading = ref(false)
  const error = shallowRef<ApiError | null>(null)
  /** Cells that were asked for in this moment. */
  const asking = ref<ReadonlySet<string>>(new Set())
  const asked = computed(() => readLocks(views.now.locks))
  let running: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Verdicts that are not written yet, and how many were ever said: an answer from before them would take them off the screen. */
  let [unwritten, said] = [0, 0]
  /** Images that the server will tell of although they are shown as they are already. */
  const mine = new Set<number>()

  async function load(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    running?.abort()
    const mine = (running = new AbortController())
    loading.value = true
    const before = said
    try {
      const { session, pivot } = views.now
      if (!session) return
      const found = await api.get<Compared>(routeOf(session, pivot, asked.value, PAGE), {}, mine.signal)
      if (mine.signal.aborted) return
      if (unwritten || said !== before) {
        soon()
        return
      }
      for (const card of found.cards) results.cards.set(card.id, card)
      made.value = found
      error.value = null
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', texts.noServer, '')
      if (error.value.code !== 'no-answer') made.value = null
    } finally {
      if (running === mine) loading.value = false
    }
  }

  function soon(): void {
    timer ??= setTimeout(() => void load(), PATIENCE)
  }

  // What is side by side is no other question.
  watch(() => (views.now.screen === 'compare' ? routeOf(views.now.session, views.now.pivot, asked.value, PAGE) : ''), (route) => route && load(), {
    immediate: true
  })
  watch(() => views.now.session, () => (made.value = null))

  const stops = [
    platform.on('images', ({ session, added, changed }) => {
      const known = !added.length && changed.length > 0 && changed.every((id) => mine.delete(id))
      if (!known && (!session || session === views.now.session)) soon()
    }),
    platform.on('session', soon),
    platform.on('reload', soon)
  ]
  onScopeDispose(() => {
    for (const stop of stops) stop()
    running?.abort()
    clearTimeout(timer)
  })

  /** Go to another part of the matrix; a step that the back button takes back. */
  function go(change: Partial<Asked> & { pivot?: string }): void {
    const { pivot, ...rest } = change
    views.go({ ...(pivot === undefined ? {} : { pivot }), locks: writeLocks({ ...asked.value, ...rest }) })
  }

  /** Note what is side by side, without such a step. */
  function choose(places: Place[]): void {
    views.note({ locks: writeLocks({ ...asked.value, side: places }) })
  }

  /** Every axis that is neither across nor down, as the matrix has it now. */
  const locks = computed(() => Object.fromEntries((made.value?.locks ?? []).map(({ name, key }) => [name, key ?? null])))

  function lock(name: string, key: string | null): void {
    go({ locks: { ...locks.value, [name]: key }, at: 0, side: [], open: false })
  }

  /** Say how the pivot's value came out; the same again takes it back. */
  function verdict(image: number, wanted: Verdict | null): void {
    const now = made.value
    const before = now?.rows.flatMap(({ cells }) => cells.flatMap(({ images }) => images)).find(({ id }) => id === image)?.verdict ?? null
    if (!now) return
    const value = before === wanted ? null : wanted
    made.value = judged(now, image, value)
    unwritten++
    said++
    mine.add(image)
    const revert = (): void => void (made.value &&= judged(made.value, image, before))
    void judging.verdict([image], now.pivot, value, revert).finally(() => unwritten--)
  }

  function mark(image: number, wanted: Mark | null): void {
    mine.add(image)
    void judging.mark([image], wanted)
  }

  async function turn(way: 'undo' | 'redo'): Promise<void> {
    const label = await judging[way]()
    platform.toast('info', label === null ? texts.nothingToUndo : way === 'undo' ? texts.undone(label) : texts.redone(label))
    soon()
  }

  const nameOf = ({ row, column }: Place): string => `${row}\n${column}`

  /** Have the image of a place made. */
  async function queue(place: Place): Promise<void> {
    const now = made.value
    if (!now || asking.value.has(nameOf(place))) return
    const keys: Record<string, string | null> = { ...locks.value, [now.pivot]: place.column, [now.rows_by]: place.row }
    const { [SEED]: seed = null, ...rest } = keys
    const values = Object.fromEntries(Object.entries(rest).filter(([, key]) => key))
    asking.value = new Set([...asking.value, nameOf(place)])
    try {
      const { waiting } = await api.post<{ waiting: boolean }>('/sdgen/compare/queue', { session: views.now.session, values, seed })
      platform.toast(waiting ? 'warn' : 'success', waiting ? texts.comparing.waits : texts.comparing.queued, waiting ? texts.comparing.waitsHint : '')
    } catch (failure) {
      const { message, hint } = failure instanceof ApiError ? failure : { message: String(failure), hint: '' }
      platform.toast('error', texts.comparing.notQueued, hint ? `${message}. ${hint}` : message)
    } finally {
      asking.value = new Set([...asking.value].filter((name) => name !== nameOf(place)))
      await load()
    }
  }

  /** The image that a place shows, if there is one. */
  const imageAt = (place: Place): number | undefined => (made.value ? shownImage(cellAt(made.value, place))?.id : undefined)

  return { made, loading, error, asked, locks, asking, nameOf, load, go, choose, lock, verdict, mark, turn, queue, imageAt }
}

export type Compare = ReturnType<typeof useCompare>
