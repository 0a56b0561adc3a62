/** One run as it goes: its state by what the server tells, its curve and samples a moment later, its log piece by piece. */

import { onScopeDispose, shallowRef, watch } from 'vue'

import { ApiError } from '../api'
import { useApi, usePlatform, useTexts } from '../provided'
import { EMPTY, joined } from './log'
import { complaint, isLive, type LogPiece, type RunCard, type RunDetails } from './model'
import { useWords } from './words'

/** How often (ms) the curve and the log are looked at while it trains. */
const DETAILS = 3_000
const LOG = 1_000
/** Bytes of a piece of the log, at most. */
const PIECE = 64 << 10

export function useRun(id: () => string) {
  const api = useApi()
  const platform = usePlatform()
  const texts = useTexts()
  const words = useWords()
  const run = shallowRef<RunDetails | null>(null)
  const log = shallowRef(EMPTY)
  const error = shallowRef<ApiError | null>(null)
  let asking = new AbortController()
  let reading = false
  let stale = false
  let looked = 0

  const route = (rest = ''): string => `/sdgen/training/runs/${encodeURIComponent(id())}${rest}`

  async function load(): Promise<void> {
    asking.abort()
    const { signal } = (asking = new AbortController())
    stale = false
    looked = Date.now()
    try {
      const told = await api.get<RunDetails>(route(), {}, signal)
      if (signal.aborted) return
      run.value = told
      error.value = null
      void read()
    } catch (failure) {
      if (signal.aborted) return
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', texts.noServer, '')
      if (error.value.code === 'unknown-run') run.value = null
    }
  }

  /** What the log says since; `start`: a piece from there instead. */
  async function read(start = log.value.text ? log.value.end : -1): Promise<void> {
    if (reading) return
    reading = true
    const of = id()
    try {
      let piece: LogPiece
      do {
        piece = await api.get<LogPiece>(route('/log'), { start })
        if (of !== id()) return
        if (piece.text || !log.value.text) log.value = joined(log.value, piece)
        start = log.value.end
      } while (piece.text && piece.end === log.value.end && piece.end < piece.size)
    } catch {
      // It is asked for again.
    } finally {
      reading = false
    }
  }

  /** The piece before what is shown. */
  async function earlier(): Promise<void> {
    const { start } = log.value
    if (!start || reading) return
    reading = true
    const of = id()
    try {
      const limit = Math.min(start, PIECE)
      const piece = await api.get<LogPiece>(route('/log'), { start: start - limit, limit })
      if (of === id()) log.value = joined(log.value, piece)
    } catch (failure) {
      platform.toast('error', complaint(failure, words))
    } finally {
      reading = false
    }
  }

  function told(card: RunCard): void {
    if (!run.value) return
    const changed = card.state !== run.value.state
    run.value = { ...run.value, ...card }
    stale = true
    if (changed) void load()
  }

  function gone(): void {
    asking.abort()
    run.value = null
    error.value = new ApiError('unknown-run', words.gone, '')
  }

  watch(
    id,
    () => {
      run.value = null
      log.value = EMPTY
      error.value = null
      if (id()) void load()
    },
    { immediate: true }
  )
  const stops = [
    platform.on('training', ({ id: of, run: card }) => {
      if (of !== id()) return
      if (card) told(card)
      else gone()
    }),
    platform.on('reload', () => void load())
  ]
  const timer = setInterval(() => {
    if (document.hidden || !run.value) return
    if ((stale || error.value) && Date.now() - looked >= DETAILS) void load()
    else if (isLive(run.value)) void read()
  }, LOG)
  onScopeDispose(() => {
    for (const stop of stops) stop()
    clearInterval(timer)
    asking.abort()
  })

  return { run, log, error, load, earlier }
}
